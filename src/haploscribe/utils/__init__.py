"""Parts that every other package uses: array types, files, names, hashes, progress, JSON, resources."""
