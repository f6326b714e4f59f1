"""Estimators that are linear in dosages, or in scores of deltas."""
