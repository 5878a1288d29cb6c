"""Calls, socket samples and packets of both ends on one clock. Files in, arrays out; docs/findings.md explains."""
