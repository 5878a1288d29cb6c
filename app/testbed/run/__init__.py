"""One cell, one run: images, containers, waiting, raw files and analysis put together."""
