"""Frozen models that embed a tile's sequences, behind one protocol."""
