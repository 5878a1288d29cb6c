"""The UDP ports that sidecars use among themselves."""

PROBE_PORT = 8887
"""Probes and their echoes: a twin of the impairment applies to them."""
CONTROL_PORT = 8886
"""Control messages about the probes: never impaired, so that a lossy link cannot lose a report."""
