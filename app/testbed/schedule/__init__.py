"""Which cell of a run begins next, and beside which others; what a run will take."""
