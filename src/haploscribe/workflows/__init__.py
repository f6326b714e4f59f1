"""One module or folder per subcommand; only the command line and the Python API import it."""
