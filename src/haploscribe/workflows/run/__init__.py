"""Embed, fit on folds, evaluate, save the models and report: the subcommand run."""
