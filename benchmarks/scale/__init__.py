"""Growth of time and memory with samples and genes."""
