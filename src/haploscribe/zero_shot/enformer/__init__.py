"""Enformer as a zero-shot sequence model, computed natively."""
