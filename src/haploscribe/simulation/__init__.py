"""Cohorts whose causal variants are known."""
