"""Run folders on disk: read while they grow, resume, merge, reuse, list."""
