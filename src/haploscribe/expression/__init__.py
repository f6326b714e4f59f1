"""Expression tables, covariates and normalisation."""
