"""Load a cell's folder, of any version, or a capture from anywhere. Missing or broken raw files are no error here."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from testbed.analysis.events import read_log
from testbed.analysis.join.observation import CaptureState, End, Observation, Role
from testbed.analysis.join.resources import read_resources
from testbed.analysis.join.samples import read_samples
from testbed.analysis.packets.capture import read_capture
from testbed.analysis.packets.errors import CaptureError
from testbed.analysis.packets.model import Capture, Connection
from testbed.compressed.expand import stored
from testbed.peer.contract import PORT
from testbed.result import CellRecord
from testbed.result_upgrade import upgrade_cell, upgrade_result, upgrade_run


def read_record(folder: Path) -> CellRecord:
    """Return a cell's `cell.json`, upgraded if it is of an earlier version; raises ValueError when it is invalid."""
    return CellRecord.model_validate(upgrade_cell(json.loads((folder / "cell.json").read_text())))


def load_cell(folder: Path, twins: Sequence[Path] | None = None) -> Observation:
    """Return the observation of the cell in `folder`; raises ValueError when its `cell.json` is invalid.

    `twins` are the folders in which the cell of the other address family may be, the preferred one first; None: search
    the whole run, which takes long in a run of many cells.
    """
    record = read_record(folder)
    client, server = (_end(folder, role, record) for role in ("client", "server"))
    links = [events.get("link") or {} for events in record.sidecars.values()]
    verified = record.sidecars.get("client", {}).get("verified") or {}
    rtt = (verified.get("rtt_ms") or {}).get(record.requested.get("family")) or {}
    return Observation(
        sender=client,
        receiver=server,
        realtime_offset_ns=_offset_ns(client, server),
        requested=record.requested,
        impairment=record.impairment,
        engines=tuple(sorted({str(link["engine"]) for link in links if link.get("engine")})),
        rtt_ms=rtt.get("median"),
        link_losses=_link_losses(record),
        host=_machine(folder, record),
        twin=_twin(folder, record, twins),
        machine_name=record.machine_name,
    )


def observe_connection(connection: Connection, capture: Capture, file: str) -> Observation:
    """Return the observation of one connection of a single capture; who sent more payload is the sender."""
    frames = connection.frames
    by_client = int(frames.payload_bytes[frames.from_client].sum(dtype=np.int64))
    by_server = int(frames.payload_bytes[~frames.from_client].sum(dtype=np.int64))
    state = CaptureState(file, connection, capture.facts)
    ends = End("client", capture=state), End("server", capture=state)
    sender_is_client = by_client >= by_server
    sender, receiver = ends if sender_is_client else ends[::-1]
    return Observation(sender=sender, receiver=receiver, sender_is_client=sender_is_client)


def _end(folder: Path, role: Role, record: CellRecord) -> End:
    stopped = record.sidecars.get(role, {}).get("stopped") or {}
    capture = stopped.get("capture") or {}
    link = record.sidecars.get(role, {}).get("link") or {}
    route = (link.get("route") or {}).get(record.requested.get("family")) or {}
    return End(
        role=role,
        log=read_log(folder / role / "events.csv"),
        samples=read_samples(folder / role / "sockets.csv", PORT),
        capture=_capture(folder, role, capture),
        resources=read_resources(folder / role / "resources.csv"),
        counters=stopped.get("tcp"),
        sysctls=link.get("sysctls") or {},
        mtu_bytes=route.get("mtu"),
    )


def _capture(folder: Path, role: Role, counted: Mapping[str, Any]) -> CaptureState | None:
    file = f"{role}/capture.pcap"
    path = stored(folder / file)
    if path is None:
        return None
    facts: dict[str, Any] = {
        "complete": counted.get("complete"),
        "why": str(counted.get("why") or ""),
        "note": str(counted.get("note") or ""),
    }
    try:
        capture = read_capture(path)
    except (CaptureError, OSError) as error:
        return CaptureState(file, error=str(error), **facts)
    return CaptureState(file, choose_connection(capture), capture.facts, **facts)


def choose_connection(capture: Capture, port: int = PORT) -> Connection | None:
    """Return the connection to `port` with the most payload, else the one of all; None when there is no connection."""
    all_of_them = capture.connections()
    under_test = [found for found in all_of_them if port in (found.server.endpoint.port, found.client.endpoint.port)]
    return max(
        under_test or all_of_them, key=lambda found: int(found.frames.payload_bytes.sum(dtype=np.int64)), default=None
    )


def _offset_ns(*ends: End) -> int:
    """Return how far the captures' clock is ahead of the common one: from samples, else from a log."""
    for end in ends:
        if end.samples is not None:
            return int(np.median(end.samples.realtime_ns - end.samples.at_ns))
    return next((end.log.realtime_offset_ns for end in ends if end.log and end.log.realtime_offset_ns), 0)


def _link_losses(record: CellRecord) -> dict[str, int]:
    """Return how many frames of each role the link dropped or corrupted, where it counted; 0 is a count, too."""
    found = {}
    for role, events in record.sidecars.items():
        counters = (events.get("stopped") or {}).get("counters") or {}
        measured = (counters.get("link") or {}).get("measured") or {}
        # A corrupted frame has a wrong checksum and is lost. tc counts drops as `drops`, the user engine by cause.
        counts = [
            value
            for name, value in measured.items()
            if (name.startswith("dropped_") or name in ("drops", "corrupted")) and isinstance(value, int)
        ]
        if counts:
            found[role] = sum(counts)
    return found


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _machine(folder: Path, record: CellRecord) -> dict[str, Any]:
    """Return kernel and sysctls of the machine that the cell ran on; empty for a guest VM that did not boot."""
    if record.requested.get("kernel", "host") != "host" and not record.machine:
        return {}
    path = folder.parent / "run.json"
    try:
        state = path.stat()
    except OSError:
        return dict(record.machine)
    facts, machines = _run_facts(path, (state.st_ino, state.st_mtime_ns, state.st_size))
    return {**facts, **machines.get(record.machine_name, {}), **record.machine}


@lru_cache(maxsize=4)
def _run_facts(path: Path, _state: tuple[int, int, int]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return what a `run.json` has about the machine of the run, and about further ones by name.

    Read once while the file stays as it is: that of a run of many cells is large.
    """
    document = upgrade_run(_document(path))
    machines = document.get("machines") or {}
    return {name: document[name] for name in document.keys() - _PLAN}, machines


_PLAN: Final = {"cells", "requested", "statuses", "repeats", "machines", "sources", "notes"}


def _twin(folder: Path, record: CellRecord, twins: Sequence[Path] | None) -> dict[str, Any] | None:
    """Return the result of the run's cell that differs from this one in its family only."""
    wanted = {**record.requested, "family": {"ipv4": "ipv6", "ipv6": "ipv4"}.get(record.requested.get("family", ""))}
    candidates = [each.parent for each in sorted(folder.parent.glob("*/result.json"))] if twins is None else twins
    for path in (each / "result.json" for each in candidates):
        found = upgrade_result(_document(path))
        if path.parent != folder and found.get("requested") == wanted:
            return found
    return None
