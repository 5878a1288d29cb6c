"""The metrics that an endpoint's route to its peers is given: what ip-route(8) calls congctl, mtu, advmss and so on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RouteMetrics:
    """Metrics of a route; None and empty keep the kernel's own value."""

    congestion: str = ""
    mtu_bytes: int | None = None
    advmss_bytes: int | None = None
    initcwnd_segments: int | None = None
    initrwnd_segments: int | None = None
    rto_min_ms: int | None = None
    quickack: bool | None = None

    def by_name(self) -> dict[str, str | int]:
        """Return the requested metrics under the names that `ip -j route` prints."""
        quickack = None if self.quickack is None else int(self.quickack)
        every: dict[str, str | int | None] = {
            "congestion": self.congestion or None,
            "mtu": self.mtu_bytes,
            "advmss": self.advmss_bytes,
            "initcwnd": self.initcwnd_segments,
            "initrwnd": self.initrwnd_segments,
            "rto_min": self.rto_min_ms,
            "quickack": quickack,
        }
        return {name: value for name, value in every.items() if value is not None}
