"""What the command line and the API run: one module or folder per subcommand."""
