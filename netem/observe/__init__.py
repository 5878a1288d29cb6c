"""What the sidecar sees of the endpoint: its packets and its sockets, the endpoint unmodified."""
