"""Observe the endpoint from outside: packets, sockets, processes and the host; the endpoint stays unmodified."""
