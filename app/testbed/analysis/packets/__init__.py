"""Captures to connections, every frame marked: pure, in NumPy, without a packet library. See docs/packets.md."""
