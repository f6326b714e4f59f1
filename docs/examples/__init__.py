"""The worked examples of the documentation, which tests run."""
