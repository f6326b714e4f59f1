"""Tests of haploscribe.annotations."""
