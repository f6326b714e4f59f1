"""A run's folder on disk: tables, provenance and fitted models, written and read back."""
