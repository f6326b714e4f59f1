"""Published sequence models, which predict expression from a haplotype without training on the cohort."""
