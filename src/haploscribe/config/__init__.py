"""What a user can set, written once: the command line, `--config`, the API and the docs come from it."""
