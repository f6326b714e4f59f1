"""Pretraining of small backbones on a genome, and masked-token scores of any backbone."""
