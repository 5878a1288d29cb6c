"""The contract between the sidecar and the program that starts it: settings, events, errors, ports."""
