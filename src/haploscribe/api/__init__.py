"""The Python API: what the command line does, and the arrays behind it; all of it is in `haploscribe`."""
