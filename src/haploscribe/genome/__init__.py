"""Reference sequence, variants, tiles, and the haplotypes of samples."""
