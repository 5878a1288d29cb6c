"""The running sidecar: supervisor, control socket, profile, doctor."""
