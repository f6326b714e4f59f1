"""Embed unique haplotypes with a frozen backbone, store the embeddings, and read deltas."""
