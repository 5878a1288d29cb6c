"""Real kernels: guests under qemu that run Debian's kernels with Docker, driven from the host like any engine."""
