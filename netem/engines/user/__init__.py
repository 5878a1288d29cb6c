"""The user engine: frames pass through user space, on any kernel with TUN."""
