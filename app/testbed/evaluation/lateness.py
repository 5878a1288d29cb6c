"""Whether the link was punctual: how long after its due time the user engine passed a frame on."""

from collections.abc import Mapping
from typing import Final

from netem.spec import parse
from testbed.result import Delays, Link
from testbed.units import format_figures

FEWEST_PACKETS: Final = 20
PACKETS_FOR_P99: Final = 100
"""Of fewer packets, p99 is their maximum: a single late one. Their median decides instead."""

TOLERANCE_MS: Final = 1.0
TOLERANCE_SHARE: Final = 0.01
"""Of the requested delay, besides TOLERANCE_MS: what a real path varies by, too."""


def late(links: Mapping[str, Link]) -> str:
    """Return a clause with the figures of each end at which the link was late; empty if there is none."""
    ends = [
        f"{_figures(lateness)} at the {role}'s end"
        for role, link in sorted(links.items())
        if (lateness := _known(link)) is not None and lateness.ms[_quantile(lateness)] > _limit_ms(link)
    ]
    return f"the link was late: {', '.join(ends)}" if ends else ""


def punctual(links: Mapping[str, Link]) -> str:
    """Return the figures of the later end if every impaired end is known to have been punctual; empty if not."""
    impaired = [link for link in links.values() if link.requested or link.changes]
    known = [lateness for link in impaired if (lateness := _known(link)) is not None]
    if not known or len(known) < len(impaired) or late(links):
        return ""
    return _figures(max(known, key=lambda lateness: lateness.ms[_quantile(lateness)]))


def _known(link: Link) -> Delays | None:
    lateness = link.engine_lateness
    return lateness if lateness is not None and lateness.packets >= FEWEST_PACKETS else None


def _limit_ms(link: Link) -> float:
    delay = parse(link.requested).delay
    return TOLERANCE_MS + (TOLERANCE_SHARE * delay.delay_ns / 1e6 if delay else 0.0)


def _quantile(lateness: Delays) -> str:
    return "p99" if lateness.packets >= PACKETS_FOR_P99 else "p50"


def _figures(lateness: Delays) -> str:
    names = (_quantile(lateness), "max")
    return ", ".join(f"{name} {format_figures(lateness.ms[name], 2)} ms" for name in names)
