"""The UDP ports that sidecars use among themselves."""

PROBE_PORT = 8887
"""Probes and their echoes: impaired like the measured traffic, by a twin of its impairment."""
CONTROL_PORT = 8886
"""Greetings and reports about the probes: never impaired, so that a lossy link cannot lose the verdict."""
