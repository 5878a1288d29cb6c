"""Describe the link: the requested impairment of each direction, and what was measured."""

from collections.abc import Mapping
from typing import Any, Final

from netem.contract.route_metrics import METRIC_NAMES
from netem.spec import Impairment, parse
from testbed.result import Delays, Link, LinkCounters, Result
from testbed.units import format_figures, format_seconds, pluralize

_WAYS: Final = {"client": "client to server", "server": "server to client"}
_CAUSES: Final = {
    "dropped_loss": "loss model",
    "dropped_list": "drop-list",
    "dropped_blackhole": "blackhole",
    "dropped_limit": "limit",
}
_OTHERS: Final = {
    "duplicated": "duplicated",
    "corrupted": "corrupted",
    "reordered": "reordered",
    "ce_marked": "CE-marked",
    "packets_bypassed": "stayed in the kernel",
    "rx_overruns": "overrun before the emulation engine",
    "tx_rejected": "rejected by the device",
}
_LATENESS: Final = "engine lateness"
_SHOWN: Final = ("min", "p50", "p99", "max")


def _delay_ns(impairment: Impairment) -> int:
    return impairment.delay.delay_ns if impairment.delay else 0


def requested_text(requested: Mapping[str, Any], impairment: Mapping[str, str]) -> str:
    """Return the impairment of each direction, and what it adds to the round trip time."""
    ways = {role: text or "unimpaired" for role, text in impairment.items()}
    if ways["client"] == ways["server"]:
        parts = [f"each way: {ways['client']}"]
    else:
        parts = [f"{way}: {ways[role]}" for role, way in _WAYS.items()]
    round_trip_ns = sum(_delay_ns(parse(text)) for text in impairment.values())
    if round_trip_ns:
        parts.append(f"RTT +{format_seconds(round_trip_ns / 1e9)}")
    if requested.get("profile"):
        parts.append("changed by a profile")
    if requested.get("nd"):
        parts.append("neighbour discovery impaired")
    if any(impairment.values()) or requested.get("profile"):
        parts.append(f"engine {requested['engine']}{_realtime(requested)}, seed {requested['seed']}")
    return "; ".join(parts)


def _realtime(requested: Mapping[str, Any]) -> str:
    realtime = requested.get("realtime", "auto")  # runs of earlier versions do not have it
    return "" if realtime == "auto" else f", realtime {realtime}"


def engine_text(links: Mapping[str, Link]) -> str:
    """Return the emulation engines and how the user engine was scheduled; empty without an engine."""
    engines = " and ".join(sorted({link.engine for link in links.values() if link.engine != "none"}))
    found = {role: link.scheduling for role, link in links.items() if link.scheduling}
    texts = list(dict.fromkeys(found.values()))
    if len(texts) > 1:
        texts = [f"{role}: {text}" for role, text in found.items()]
    return f"engine {engines} ({'; '.join(texts)})" if texts else f"engine {engines}" if engines else ""


def kernel_text(requested: Mapping[str, Any]) -> str:
    """Return the requested kernel settings of both ends; empty if there are none."""
    route_metrics = [f"{name} {_ends(requested[name])}" for name in METRIC_NAMES if requested.get(name)]
    return ", ".join(
        [*route_metrics, *(f"{key} {_ends(value)}" for key, value in (requested.get("sysctl") or {}).items())]
    )


def _ends(text: str) -> str:
    return f"({text})" if text.startswith(("client=", "server=")) else text


def measured_texts(result: Result) -> list[str]:
    """Return the lines with what was measured of each direction that has an impairment or a profile."""
    lines: list[str] = []
    for role, way in _WAYS.items():
        link = result.link.get(role)
        if link is not None and (link.requested or link.changes):
            first, *others = _measured(link)
            lines += [f"{way}: {first}", *(f"  {text}" for text in others)]
    return lines


def _measured(link: Link) -> list[str]:
    requested = f"requested {link.requested}" if link.requested else "unimpaired at first"
    texts = [f"{requested}; {pluralize(link.changes, 'change')}" if link.changes else requested]
    measured = (
        ("engine delay", link.engine_delays),
        (_LATENESS, link.engine_lateness),
        ("one-way delay", link.one_way_delays),
    )
    for name, delays in measured:
        texts += [f"{name} {_delay_text(delays, figures=2 if name == _LATENESS else 4)}"] if delays else []
    return [*texts, ", ".join(_counted(link.counters))] if link.counters else texts


def _delay_text(delays: Delays, figures: int) -> str:
    shown = ", ".join(f"{name} {format_figures(delays.ms[name], figures)}" for name in _SHOWN if name in delays.ms)
    return f"{shown} ms ({pluralize(delays.packets, 'packet')})"


def _counted(counters: LinkCounters) -> list[str]:
    dropped = counters.dropped
    causes = [f"{count} by {name}" for field, name in _CAUSES.items() if (count := getattr(counters, field))]
    total = f" of {counters.packets_in}" if counters.packets_in is not None else ""
    texts = [f"dropped {dropped}{total}" + (f" ({', '.join(causes)})" if causes else "")] if dropped is not None else []
    return texts + [f"{count} {name}" for field, name in _OTHERS.items() if (count := getattr(counters, field))]
