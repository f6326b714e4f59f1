"""Haploscribe: each person's gene expression, predicted from both copies of their own DNA."""

__version__ = "0.1.0"
