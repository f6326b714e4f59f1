"""Published sequence models that predict expression from haplotypes without training on the cohort."""
