"""A territory of 100,000 km2 on a Dask cluster: what it costs by the rates of one worker, and a build of its thousand scenes."""
