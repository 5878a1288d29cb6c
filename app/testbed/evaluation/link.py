"""What the link did to the frames of each role: requested, read back, counted, and measured by both captures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.join.observation import Observation
from testbed.analysis.packets.delays import OneWay, one_way_delays
from testbed.result import CellRecord, Delays, Link, LinkCounters, OneWayDelays

QUANTILES: Final = {"min": 0, "p1": 1, "p10": 10, "p25": 25, "p50": 50, "p75": 75, "p90": 90, "p99": 99, "max": 100}
"""Quantiles by name: the percentage of frames with this delay or a shorter one."""

_DIRECTION: Final = {"client": "egress", "server": "ingress"}
"""By role: the direction, as the client's sidecar names it, of the probes with the impairment of this role's frames."""

_DROPS: Final = (
    "dropped_loss",
    "dropped_list",
    "dropped_blackhole",
    "dropped_limit",
)
_OF_KERNEL: Final = {
    "packets": "packets_out",
    "delayed": "delayed",
    "drops": "dropped",
    "dropped": "dropped_loss",
    "corrupted": "corrupted",
    "duplicated": "duplicated",
    "reordered": "reordered",
    "ecn_marked": "ce_marked",
    "qlen": "packets_queued",
}
"""netem's names (`tc -s qdisc`) and those of this project."""


def links(record: CellRecord, observation: Observation, folder: Path) -> dict[str, Link]:
    """Return what the sidecars and the captures show of the link, by the role that sent the frames."""
    found = {}
    for role, events in record.sidecars.items():
        link = events.get("link")
        if not link:
            continue
        counted = ((events.get("stopped") or {}).get("counters") or {}).get("link") or {}
        found[role] = Link(
            engine=str(link.get("engine", "")),
            reason=str(link.get("reason", "")),
            scheduling=counted.get("scheduling") or link.get("scheduling"),
            requested=record.impairment.get(role, ""),
            readback=_text(link.get("readback", "")),
            route=link.get("route") or {},
            sysctls=link.get("sysctls") or {},
            changes=_changes(folder / role / "link.json"),
            probe_delays=_probe_delays(record, role),
            counters=counters(counted),
            engine_delays=_engine_delays(counted, "delay_ns"),
            engine_lateness=_engine_delays(counted, "lateness_ns"),
            one_way_delays=one_way_of(observation, from_client=role == "client"),
        )
    return found


def counters(counted: Mapping[str, Any]) -> LinkCounters | None:
    """Return the counters of either engine under one set of names; None when nothing was counted."""
    measured = counted.get("measured")
    if not measured:
        return None
    if "packets_in" not in measured:
        found = {ours: measured[name] for name, ours in _OF_KERNEL.items() if name in measured}
        if {"dropped", "dropped_loss"} <= found.keys():
            found["dropped_limit"] = found["dropped"] - found["dropped_loss"]
        return LinkCounters(**found)
    known = {name: measured[name] for name in LinkCounters.model_fields if name in measured}
    known["dropped"] = sum(measured.get(name, 0) for name in _DROPS)
    known |= {f"{name}_bypassed": count for name, count in (counted.get("bypassed") or {}).items()}
    return LinkCounters(**known, rx_overruns=counted.get("rx_overruns"), tx_rejected=counted.get("tx_rejected"))


def _engine_delays(counted: Mapping[str, Any], name: str) -> Delays | None:
    return _delays((counted.get("measured") or {}).get(name))


def _delays(measured: Mapping[str, Any] | None, packets: int | None = None) -> Delays | None:
    if not measured:
        return None
    in_ms = {name: round(measured[name] / 1e6, 6) for name in QUANTILES if measured.get(name) is not None}
    return Delays(packets=int(measured.get("packets", packets or 0)), ms=in_ms) if in_ms else None


def _probe_delays(record: CellRecord, role: str) -> Delays | None:
    verified = record.sidecars.get("client", {}).get("verified") or {}
    for probe in verified.get("probes") or []:
        if probe.get("family") == record.requested.get("family") and probe.get("direction") == _DIRECTION.get(role):
            return _delays(probe.get("delay_ns"), probe.get("received"))
    return None


def one_way_of(observation: Observation, *, from_client: bool) -> OneWayDelays | None:
    """Return the one-way delays of the real frames of one direction; None without both captures."""
    ends = {end.role: end.connection for end in (observation.sender, observation.receiver)}
    client, server = ends.get("client"), ends.get("server")
    if client is None or server is None:
        return None
    sent, received = (client, server) if from_client else (server, client)
    return distribution(one_way_delays(sent, received, from_client=from_client))


def distribution(found: OneWay) -> OneWayDelays | None:
    """Return the quantiles of matched frames; None when none was matched."""
    if not len(found.delay_ns):
        return None
    return OneWayDelays(
        packets=len(found.delay_ns),
        ms=_quantiles_ms(found.delay_ns),
        unmatched_sent=found.unmatched_sent,
        unmatched_received=found.unmatched_received,
    )


def _quantiles_ms(delay_ns: NDArray[np.int64]) -> dict[str, float]:
    values = np.percentile(delay_ns, list(QUANTILES.values()), method="inverted_cdf")
    return {name: round(float(value) / 1e6, 6) for name, value in zip(QUANTILES, values, strict=True)}


def _changes(path: Path) -> int:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return 0
    return len(document.get("changes", [])) if isinstance(document, dict) else 0


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
