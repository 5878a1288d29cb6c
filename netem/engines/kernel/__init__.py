"""The kernel engine: `tc qdisc ... netem`, set up, read back and counted."""
