"""Whether the link was punctual.

Two measurements: how long after its due time the user engine passed a frame on, and, where every frame has the same
delay, how much later than that the real frames arrived. Only the second sees a frame that waited for the engine to read
it; only the first exists where delays differ. The worse of both counts.
"""

from collections.abc import Mapping
from typing import Final

from netem.contract.scheduling import NO_CAPABILITY, ORDINARY, is_realtime
from netem.spec import Impairment, parse
from testbed.result import Delays, Link
from testbed.units import format_figures

FEWEST_PACKETS: Final = 20
PACKETS_FOR_P99: Final = 100
"""Of fewer packets, p99 is their maximum: a single late one. Their median decides instead."""

TOLERANCE_MS: Final = 1.0


def scheduling_notes(links: Mapping[str, Link]) -> list[str]:
    """Return a note on user engines that requested a real-time policy and run without, with the reasons."""
    texts = [link.scheduling for link in links.values() if link.scheduling and not is_realtime(link.scheduling)]
    reasons = dict.fromkeys(text.removeprefix(ORDINARY) for text in texts)
    reasons.pop(NO_CAPABILITY, None)  # the run reports it once, before its first cell
    return [f"the link ran without real time: {reason}" for reason in reasons]


def late(links: Mapping[str, Link]) -> str:
    """Return a clause with the figures of each end at which the link was late; empty if there is none."""
    ends = [
        f"{_figures(lateness)} at the {role}'s end"
        for role, link in sorted(links.items())
        if (lateness := _known(link)) is not None and lateness.ms[_quantile(lateness)] > TOLERANCE_MS
    ]
    return f"the link was late: {', '.join(ends)}" if ends else ""


def punctual(links: Mapping[str, Link]) -> str:
    """Return the figures of the later end if every impaired end is known to have been punctual; empty if not."""
    impaired = [link for link in links.values() if link.requested or link.changes]
    known = [lateness for link in impaired if _trusted(link) and (lateness := _known(link)) is not None]
    if not known or len(known) < len(impaired) or late(links):
        return ""
    return _figures(max(known, key=lambda lateness: lateness.ms[_quantile(lateness)]))


def lateness_p99_ms(links: Mapping[str, Link]) -> float | None:
    """Return the p99 of the lateness of the later end, in ms; None where no end has enough packets to know it."""
    known = [lateness.ms.get("p99") for link in links.values() if (lateness := _known(link)) is not None]
    return max((value for value in known if value is not None), default=None)


def _trusted(link: Link) -> bool:
    """Return whether a wait before the engine read a frame is excluded, or would be seen."""
    return is_realtime(link.scheduling) or _excess(link) is not None


def _known(link: Link) -> Delays | None:
    if link.engine_lateness is None or link.engine_lateness.packets < FEWEST_PACKETS:
        return None
    excess = _excess(link)
    if excess is None or excess.packets < FEWEST_PACKETS:
        return link.engine_lateness
    return max(link.engine_lateness, excess, key=lambda lateness: lateness.ms[_quantile(lateness)])


def _excess(link: Link) -> Delays | None:
    """Return how much later than requested the real frames arrived; None unless they all have the same delay."""
    requested_ms, one_way = _common_delay_ms(parse(link.requested)), link.one_way_delays
    if requested_ms is None or one_way is None or link.changes:
        return None
    return Delays(packets=one_way.packets, ms={name: value - requested_ms for name, value in one_way.ms.items()})


def _common_delay_ms(impairment: Impairment) -> float | None:
    """Return the delay of every packet; None where packets have different delays."""
    delay, extension = impairment.delay, impairment.extension
    varying = (impairment.rate, impairment.slot, impairment.reorder, extension.trace, extension.filter)
    if delay is None or delay.jitter_ns or any(each is not None for each in varying):
        return None
    return delay.delay_ns / 1e6


def _quantile(lateness: Delays) -> str:
    return "p99" if lateness.packets >= PACKETS_FOR_P99 else "p50"


def _figures(lateness: Delays) -> str:
    names = (_quantile(lateness), "max")
    return ", ".join(f"{name} {format_figures(lateness.ms[name], 2)} ms" for name in names)
