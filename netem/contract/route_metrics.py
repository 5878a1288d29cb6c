"""The metrics of the route to the peers: congctl, mtu, advmss and so on in ip-route(8)."""

from dataclasses import dataclass, field
from typing import Final

from netem.contract.limits import ADVMSS_BYTES, CONGESTION_NAME, MTU_BYTES, RTO_MIN_MS, WINDOW_SEGMENTS, Bounds
from netem.contract.variable import Row, flag, integer, pattern


def _metric(name: str, bounds: Bounds, meaning: str) -> Row:
    return integer(f"NETEM_ROUTE_{name}", bounds, meaning)


@dataclass(frozen=True, slots=True)
class RouteMetrics:
    """Metrics of a route; None and empty keep the kernel's own value."""

    congestion: str = field(
        default="",
        metadata=pattern(
            "NETEM_ROUTE_CONGESTION",
            CONGESTION_NAME,
            "the name of a congestion control",
            "congestion control; empty here or in the next six = the kernel's own",
        ),
    )
    mtu_bytes: int | None = field(default=None, metadata=_metric("MTU", MTU_BYTES, "route MTU, in bytes"))
    advmss_bytes: int | None = field(
        default=None, metadata=_metric("ADVMSS", ADVMSS_BYTES, "maximum segment size to announce, in bytes")
    )
    initcwnd_segments: int | None = field(
        default=None, metadata=_metric("INITCWND", WINDOW_SEGMENTS, "initial congestion window, in segments")
    )
    initrwnd_segments: int | None = field(
        default=None, metadata=_metric("INITRWND", WINDOW_SEGMENTS, "initial receive window, in segments")
    )
    rto_min_ms: int | None = field(
        default=None, metadata=_metric("RTO_MIN_MS", RTO_MIN_MS, "minimum retransmission timeout")
    )
    quickack: bool | None = field(
        default=None, metadata=flag("NETEM_ROUTE_QUICKACK", "1 = acknowledge every segment at once")
    )

    def by_name(self) -> dict[str, str | int]:
        """Return the requested metrics under the names that `ip -j route` prints."""
        values = {name: getattr(self, field_name) for name, field_name in _FIELDS.items()}
        return {
            name: int(value) if isinstance(value, bool) else value
            for name, value in values.items()
            if value not in (None, "")
        }


_FIELDS: Final = {
    "congestion": "congestion",
    "mtu": "mtu_bytes",
    "advmss": "advmss_bytes",
    "initcwnd": "initcwnd_segments",
    "initrwnd": "initrwnd_segments",
    "rto_min": "rto_min_ms",
    "quickack": "quickack",
}
METRIC_NAMES: Final = tuple(_FIELDS)
"""The names that `ip -j route` prints; a cell's fields and options have the same."""
