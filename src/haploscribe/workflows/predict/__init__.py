"""Predict the expression of new samples from saved models: the subcommand predict."""
