"""When to repeat a round that failed: a busy host recovers, a wrong link stays wrong."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of rounds, and the back-off before each repetition."""

    max_rounds: int = 5
    max_long_rounds: int = 3
    """Fewer rounds when probes travel for `long_ns` or more, because the sidecar has a deadline."""
    long_ns: int = 1_000_000_000
    first_pause_ns: int = 50_000_000
    """Doubled before each further round: what keeps a host busy, such as a container start, outlasts one round."""

    def pause_ns(self, rounds: int, longest_ns: int) -> int | None:
        """Return how long to back off after `rounds` failed rounds; None when no further round follows."""
        allowed = self.max_rounds if longest_ns < self.long_ns else self.max_long_rounds
        return self.first_pause_ns << (rounds - 1) if rounds < allowed else None
