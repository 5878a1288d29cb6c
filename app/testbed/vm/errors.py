"""Errors of guest VMs."""

from collections.abc import Sequence

from testbed.errors import HostError


class GuestError(HostError):
    """Report a guest that could not be built, booted or kept running; `console` has its last lines."""

    def __init__(self, attempt: str, reason: str, *, console: Sequence[str] = (), hint: str = "") -> None:
        self.attempt = attempt
        self.reason = reason
        self.console = tuple(console)
        lines = "".join(f"\n  {line}" for line in self.console)
        super().__init__(f"{attempt}: {reason}" + (f"; its last lines:{lines}" if lines else ""), hint=hint)
