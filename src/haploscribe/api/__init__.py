"""What the command line does, for notebooks; `import haploscribe` offers all of it."""
