"""Raw files of a cell to metrics, checks and findings; needs no Docker and can be repeated on old runs."""
