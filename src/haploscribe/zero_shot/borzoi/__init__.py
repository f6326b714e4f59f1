"""Borzoi (Linder et al., Nature Genetics 57:949, 2025), Flashzoi (Hingerl et al., Bioinformatics, 2025)."""
