"""Training of small backbones on a genome, and scoring of any backbone by its masked-token loss."""
