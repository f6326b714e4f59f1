"""Enformer (Avsec et al., Nature Methods 18:1196-1203, 2021)."""
