"""Several machines: cells as tasks on the workers of a Dask cluster, whose folders come back compressed."""
