"""Upgrade the documents of earlier versions while they are read: one dictionary in, one of the current version out.

Version 3 renamed keys and changed no meaning but that of `tainted`, whose inverse is `timing_reliable`. Versions 1 and
2 differ in which keys they have, so that the same renaming serves both. Keys that a document does not have are left
out; unknown keys stay. What was measured is never changed: the raw files are read as they are.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from testbed.result import SCHEMA_VERSION

Document = dict[str, Any]
Names = Mapping[str, str]

_REQUESTED: Final = {"delay": "read_delay"}
_FAILURE: Final = {"remedy": "hint"}
_CELL: Final = {"asked": "requested", "endings": "exits"}
_RESULT: Final = {"asked": "requested", "taints": "timing_issues", "silent": "not_reported"}
_METRICS: Final = {"read_sleep_s": "read_delay_total_s"}
_FINDING: Final = {"numbers": "facts", "contradicting": "contradicted_by"}
_EVIDENCE: Final = {"says": "description"}
_LINK: Final = {
    "asked": "requested",
    "probed": "probe_delays",
    "realised": "engine_delays",
    "one_way": "one_way_delays",
}
_COUNTERS: Final = {
    "packets_seen": "packets_in",
    "bytes_seen": "bytes_in",
    "packets_sent": "packets_out",
    "passed": "exempt",
    "lost": "dropped",
    "lost_model": "dropped_loss",
    "lost_list": "dropped_list",
    "lost_blackhole": "dropped_blackhole",
    "lost_limit": "dropped_limit",
    "uncorruptible": "corruption_skipped",
    "queue_high_water": "queue_packets_max",
    "overflowed": "rx_overruns",
    "refused": "tx_rejected",
}
_LINK_COUNTERS: Final = {"overflowed_frames": "rx_overruns", "refused_frames": "tx_rejected"}
_FACTS: Final = {
    "closures": "periods",
    "kernel_closures": "kernel_periods",
    "reads_per_closure_median": "reads_per_period_median",
    "read_asked_bytes": "requested_read_bytes",
    "frames_again": "retransmitted_frames",
    "segments_again": "retransmissions",
    "engine": "engines",
}
_NO_ENGINE: Final = "none"


def upgrade_cell(document: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Upgrade a `cell.json` of any version; anything but a JSON object is returned unchanged."""
    if not isinstance(document, dict) or _is_current(document):
        return document
    found: Document = _renamed(document, _CELL)
    _change(found, "requested", _requested)
    _change(found, "failure", lambda failure: _renamed(failure, _FAILURE))
    _change(found, "sidecars", lambda sidecars: _each(sidecars, lambda events: _each(events, upgrade_event)))
    return found | {"schema_version": SCHEMA_VERSION}


def upgrade_event(event: Document) -> Document:
    """Upgrade a sidecar's `link`, `verified` or `stopped` event of any version."""
    found: Document = _renamed(event, {"asked": "requested"} | _FAILURE)
    if "probes" in found:
        found["probes"] = [_renamed(probe, {"asked": "requested"}) for probe in found["probes"]]
    _change(found, "counters", lambda counters: _each_named(counters, {"link": _link_counters}))
    return found


def upgrade_result(document: Document) -> Document:
    """Upgrade a `result.json` of any version."""
    if _is_current(document):
        return document
    found: Document = _renamed(document, _RESULT)
    tainted = found.pop("tainted", None)
    found["timing_reliable"] = None if tainted is None else not tainted
    _change(found, "requested", _requested)
    _change(found, "metrics", lambda metrics: _renamed(metrics, _METRICS))
    _change(found, "link", lambda links: _each(links, _link))
    if "findings" in found:
        found["findings"] = [_finding(finding) for finding in found["findings"]]
    return found | {"schema_version": SCHEMA_VERSION}


def upgrade_run(document: Document) -> Document:
    """Upgrade a `run.json` of any version."""
    if _is_current(document):
        return document
    found = dict(document)
    if "cells" in found:
        cells = [_renamed(cell, {"asked": "requested"}) for cell in found["cells"]]
        for cell in cells:
            _change(cell, "requested", _requested)
        found["cells"] = cells
    return found | {"schema_version": SCHEMA_VERSION}


def _is_current(document: Document) -> bool:
    """Return whether there is nothing to upgrade: an empty document is a missing file."""
    version = document.get("schema_version", 1)
    return not document or (isinstance(version, int) and version >= SCHEMA_VERSION)


def _renamed(document: Any, names: Names) -> Any:  # noqa: ANN401 - any JSON value
    if not isinstance(document, dict):
        return document
    return {names.get(key, key): value for key, value in document.items()}


def _change(document: Document, key: str, change: Callable[[Any], Any]) -> None:
    if document.get(key) is not None:
        document[key] = change(document[key])


def _each(document: Any, change: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - any JSON value
    if not isinstance(document, dict):
        return document
    return {key: change(value) if isinstance(value, dict) else value for key, value in document.items()}


def _each_named(document: Document, changes: Mapping[str, Callable[[Any], Any]]) -> Document:
    found = dict(document)
    for key, change in changes.items():
        _change(found, key, change)
    return found


def _requested(requested: Document) -> Document:
    found: Document = _renamed(requested, _REQUESTED)
    return found


def _link_counters(counters: Document) -> Document:
    """Return the counters of a link's `stopped` event: of the probing, and of the transfer."""
    found: Document = _renamed(counters, _LINK_COUNTERS)
    for part in ("measured", "probes"):
        _change(found, part, lambda counted: _renamed(counted, _COUNTERS))
    return found


def _link(link: Document) -> Document:
    found: Document = _renamed(link, _LINK)
    _change(found, "counters", lambda counters: _renamed(counters, _COUNTERS))
    return found


def _finding(finding: Document) -> Document:
    found: Document = _renamed(finding, _FINDING)
    _change(found, "facts", lambda facts: _facts(facts, found.get("not_observed") or []))
    if "evidence" in found:
        found["evidence"] = [_renamed(evidence, _EVIDENCE) for evidence in found["evidence"]]
    return found


def _facts(facts: Document, not_observed: list[str]) -> Document:
    """Return a finding's facts; several values that were joined to one text become a list."""
    found: Document = _renamed(facts, _FACTS)
    _change(found, "path_causes", lambda causes: causes.split(", "))
    _change(found, "engines", lambda engines: [] if engines == _NO_ENGINE else engines.split(" and "))
    # Beside the number of fields that a kernel did not report, version 2 had their names.
    _change(found, "missing_fields", lambda count: not_observed[:count])
    return found
