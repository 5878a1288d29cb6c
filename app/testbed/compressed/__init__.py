"""Files kept compressed: expanded while they are read, replaced by their compressed form when they are complete."""
