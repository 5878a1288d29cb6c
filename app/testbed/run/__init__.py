"""One cell, one run: composes images, containers, waiting, raw files and analysis."""
