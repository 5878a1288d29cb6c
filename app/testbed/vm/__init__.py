"""Real kernels: guests under qemu that run Debian's kernels with Docker, controlled from the host like any engine."""
