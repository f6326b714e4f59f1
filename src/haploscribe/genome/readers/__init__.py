"""Read genotype files (VCF, BCF, PGEN, and a run's own cache) as phased variants."""
