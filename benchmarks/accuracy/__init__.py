"""Accuracy in held-out samples."""
