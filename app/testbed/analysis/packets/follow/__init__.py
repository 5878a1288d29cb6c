"""Segments to conversations: which connection, which direction, which byte of the stream."""
