"""One cell's raw files to its result: metrics, checks, findings in words. Pure: files in, records out."""
