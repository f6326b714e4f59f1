"""Open and match genotypes and expression of the same samples; cis windows of genes."""
