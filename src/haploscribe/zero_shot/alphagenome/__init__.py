"""AlphaGenome (Avsec et al. 2026, Nature 649:1206-1218), by the package `alphagenome-pytorch`."""
