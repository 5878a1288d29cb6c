"""What can go wrong with a guest."""

from collections.abc import Sequence

from testbed.errors import HostError


class GuestError(HostError):
    """Report that a guest could not be built, booted or kept; `console` has the last lines that it wrote."""

    def __init__(self, attempt: str, reason: str, *, console: Sequence[str] = (), hint: str = "") -> None:
        self.attempt = attempt
        self.reason = reason
        self.console = tuple(console)
        lines = "".join(f"\n  {line}" for line in self.console)
        super().__init__(f"{attempt}: {reason}" + (f"; its last lines:{lines}" if lines else ""), hint=hint)
