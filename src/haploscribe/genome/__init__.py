"""Who carries which DNA: reference, variants, tiles, haplotypes."""
