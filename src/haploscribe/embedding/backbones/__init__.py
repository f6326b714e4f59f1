"""Frozen models that embed the haplotypes of tiles, behind one protocol."""
