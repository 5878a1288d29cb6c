"""Thin shells over the system: the reactor, processes, tc, routes, sysctls."""
