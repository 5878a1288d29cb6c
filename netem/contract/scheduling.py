"""The text by which a sidecar reports how the process in the path is scheduled: a policy, or "ordinary: REASON"."""

ORDINARY = "ordinary: "
"""The begin of the text where no real-time policy was obtained; the reason follows."""
NO_CAPABILITY = "the container has no CAP_SYS_NICE"
"""The reason where the container engine gives the sidecar no capability for real time."""


def is_realtime(scheduling: str | None) -> bool:
    """Return whether the text names a real-time policy; None means that no process is in the path."""
    return scheduling is not None and not scheduling.startswith(ORDINARY)
