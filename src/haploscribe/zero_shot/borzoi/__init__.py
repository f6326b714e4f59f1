"""Borzoi (Linder et al., Nature Genetics 57:949, 2025) and its successors.

Flashzoi: Hingerl et al., Bioinformatics 41:btaf467, 2025. Borzoi Prime: Linder, Yuan & Kelley, bioRxiv
2025.06.10.658961.
"""
