"""Benchmarks against other programs and on real data: `python -m benchmarks` lists them."""
