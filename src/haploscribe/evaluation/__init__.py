"""Folds, metrics and paired tests."""
