"""Run tasks on this machine's processes or on a Dask cluster."""
