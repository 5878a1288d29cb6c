"""The proof that the link does what was asked: probes between the sidecars, through a twin of the impairment."""
