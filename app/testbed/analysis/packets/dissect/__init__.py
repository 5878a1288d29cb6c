"""Dissect records into TCP segments: link, IP and TCP headers."""
