"""Who does the pieces of a stage: this process, several on this machine, or a Dask cluster."""
