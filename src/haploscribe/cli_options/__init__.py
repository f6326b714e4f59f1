"""The options of the command line, by topic."""
