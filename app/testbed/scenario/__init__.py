"""Define experiments: the model of a cell, scenario files, their expansion to cells. No I/O."""
