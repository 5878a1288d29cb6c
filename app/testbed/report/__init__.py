"""Render results for a terminal. Pure: records in, text out."""
