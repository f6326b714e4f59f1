"""Result files: tables, summaries, run records."""
