"""Whether effects of single alleles are right."""
