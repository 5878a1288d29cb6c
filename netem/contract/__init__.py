"""What the sidecar agrees on with whoever starts it: settings, events, errors, ports."""
