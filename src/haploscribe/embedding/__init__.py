"""From unique haplotype sequences to stored deltas: backbones, the engine, the store."""
