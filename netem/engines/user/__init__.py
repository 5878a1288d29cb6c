"""The user engine: frames through user space, on any kernel with TUN."""
