"""What other genes say about one: the effect-size prior and expression heterogeneity."""
