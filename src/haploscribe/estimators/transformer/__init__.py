"""Transformers over tile deltas: one gene at a time, and all genes together."""
