"""The two emulation engines, behind one port."""
