"""Borzoi and Flashzoi as zero-shot sequence models, computed natively."""
