"""Genotypes and expression of the same samples: open, match, validate; gene windows."""
