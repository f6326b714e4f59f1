"""Bundled example cohort of real samples."""
