"""Simulation of cohorts with known causal variants."""
