"""Verification of the link: sidecars probe each other through a twin of the impairment."""
