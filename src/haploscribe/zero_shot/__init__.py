"""Sequence models that predict expression from a haplotype alone, with nothing fitted to the cohort."""
