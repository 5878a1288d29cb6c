"""The sidecar: it owns one endpoint's network namespace, impairs its link, captures and samples it."""
