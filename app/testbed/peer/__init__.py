"""The Python client and server. Their images contain only this package and the wire format; standard library only."""
