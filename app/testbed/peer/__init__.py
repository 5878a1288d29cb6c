"""The Python client and server: all that their images contain, together with the wire format. Standard library only."""
