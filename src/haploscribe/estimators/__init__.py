"""Anything that learns expression from a gene's inputs: one file each, one protocol."""
