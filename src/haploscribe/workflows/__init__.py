"""Workflows: one module or folder for each subcommand; they compute and return."""
