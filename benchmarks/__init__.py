"""One command a claim; see each module."""
