"""Variant effects, attributions and what a region's figure shows."""
