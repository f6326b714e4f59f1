"""Simulate cohorts with known causal variants."""
