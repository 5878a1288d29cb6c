"""The capture: one tcpdump a point, merged by time into one file when it stops.

With an engine in the path, what the endpoint sends is seen where the engine takes it, before the impairment, and what
arrives is seen on the device: so both are stamped when the endpoint's TCP sent them or got them.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from netem.contract.errors import SidecarError
from netem.engines.link import CapturePoint
from netem.observe import rotation, tcpdump
from netem.observe.handshake import flows_without_syn
from netem.observe.pcap import PcapError, merge, read_records, read_snaplen
from netem.system.process import Child, spawn
from netem.system.reactor import Reactor

_STOP_TIMEOUT_S = 5.0
_PRUNE_NS = 500_000_000
_HINT = "give the container the capability NET_RAW and a writable NETEM_OUTPUT"


@dataclass(slots=True)
class _Tap:
    point: CapturePoint
    path: Path
    child: Child
    said: str = ""
    listening: bool = False


class _Merged(NamedTuple):
    records: int
    gap: rotation.Gap | None
    problem: str = ""


class Capture:
    """Run the tcpdumps; `on_ready` once all of them see frames, `on_failure` when one ends by itself."""

    def __init__(
        self,
        reactor: Reactor,
        folder: Path,
        *,
        port: int,
        snaplen_bytes: int,
        max_bytes: int,
        on_ready: Callable[[], None],
        on_failure: Callable[[SidecarError], None],
    ) -> None:
        self._reactor = reactor
        self._folder = folder
        self._port = port
        self._snaplen_bytes = snaplen_bytes
        self._max_bytes = max_bytes
        self._on_ready = on_ready
        self._on_failure = on_failure
        self._taps: list[_Tap] = []
        self.ready = False

    def start(self, points: tuple[CapturePoint, ...]) -> None:
        """Start a tcpdump at every point. Raises SidecarError."""
        for index, point in enumerate(points):
            path = self._folder / f"capture.{index}.part"
            argv = tcpdump.arguments(
                point.device,
                str(path),
                port=self._port,
                snaplen_bytes=self._snaplen_bytes,
                inbound_only=point.inbound_only,
                segment_units=rotation.segment_units(self._max_bytes, len(points)) if self._max_bytes else 0,
            )
            tap = _Tap(point, path, spawn(argv))
            self._taps.append(tap)
            self._reactor.add_reader(tap.child.stderr, lambda tap=tap: self._hear(tap))  # type: ignore[misc]
        if self._max_bytes:
            self._reactor.call_later(_PRUNE_NS, self._keep_small)

    def mark(self) -> None:
        """Ask for the counters as of now: the endpoint's traffic begins here."""
        for tap in self._taps:
            tap.child.signal(signal.SIGUSR1)

    def stop(self) -> dict[str, Any]:
        """Interrupt the tcpdumps, merge what they wrote into capture.pcap and say what it is worth."""
        counters = []
        for tap in self._taps:
            self._reactor.remove_reader(tap.child.stderr)
            tap.child.signal(signal.SIGINT)
        for tap in self._taps:
            self._await_counters(tap)
            counters.append(tcpdump.counters(tap.said))
        complaints = [f"tcpdump on {tap.point.device} gave no account" for tap in self._taps if not _accounted(tap)]
        complaints += [
            complaint
            for tap, each in zip(self._taps, counters, strict=True)
            if (complaint := each.complaint(tcpdump.foreign_frames(tap.said), inbound_only=tap.point.inbound_only))
        ]
        merged = self._merge()
        complaints += [merged.problem] if merged.problem else []
        captured = sum(each.captured for each in counters)
        if merged.gap is not None:
            complaints.append(self._cut(captured - merged.records, merged.gap))
        complaints += self._lost_handshakes()
        return {
            "complete": not complaints,
            "why": "; ".join(complaints),
            "frames": merged.records,
            "cut": {"frames": captured - merged.records, **merged.gap._asdict()} if merged.gap else None,
            "points": [
                {
                    "device": tap.point.device,
                    "direction": "in" if tap.point.inbound_only else "both",
                    "captured": each.captured,
                    "received": each.received,
                    "dropped": each.dropped,
                }
                for tap, each in zip(self._taps, counters, strict=True)
            ],
        }

    def _hear(self, tap: _Tap) -> None:
        chunk = os.read(tap.child.stderr, 4096)
        tap.said += chunk.decode(errors="replace")
        if not chunk:
            self._reactor.remove_reader(tap.child.stderr)
            said = tap.said.strip().splitlines()
            message = said[-1] if said else "ended without a word"
            self._on_failure(SidecarError(f"capture on {tap.point.device}", message, _HINT))
        elif not tap.listening and tcpdump.is_listening(tap.said):
            tap.listening = True
            if all(each.listening for each in self._taps):
                self.ready = True
                self._on_ready()

    @staticmethod
    def _await_counters(tap: _Tap) -> None:
        """Read tcpdump's last words; it prints them once its file is whole, and then takes its time to end."""
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        poller = select.poll()
        poller.register(tap.child.stderr, select.POLLIN)
        while not tcpdump.is_done(tap.said):
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not poller.poll(left_s * 1000):
                break
            chunk = os.read(tap.child.stderr, 4096)
            if not chunk:
                break
            tap.said += chunk.decode(errors="replace")

    def _keep_small(self) -> None:
        self._prune()
        self._reactor.call_later(_PRUNE_NS, self._keep_small)

    def _prune(self) -> None:
        for tap in self._taps:
            rotation.prune(tap.path)

    def _cut(self, frames: int, gap: rotation.Gap) -> str:
        seconds = (gap.before_ns - gap.after_ns) / 1e9
        return (
            f"{frames} frames of {seconds:.3f} s in the middle were left out to keep it below {self._max_bytes} bytes"
        )

    def _merge(self) -> _Merged:
        target = self._folder / "capture.pcap"
        partial = target.with_suffix(".merged")
        with contextlib.ExitStack() as opened:
            try:
                if self._max_bytes:
                    self._prune()
                parts = [rotation.segments(tap.path) for tap in self._taps]
                gap = rotation.find_gap(parts)
                sources = [opened.enter_context(contextlib.closing(rotation.Joined(each))) for each in parts]
            except (OSError, IndexError, PcapError) as error:
                return _Merged(0, None, f"a part of the capture cannot be read: {error}")
            try:
                with partial.open("wb", buffering=1 << 20) as file:
                    records = merge(sources, file, gap or (0, 0))
            except (OSError, PcapError) as error:
                return _Merged(0, None, f"the parts of the capture could not be merged: {error}")
        partial.replace(target)
        for part in (part for each in parts for part in each):
            part.unlink()
        return _Merged(records, gap)

    def _lost_handshakes(self) -> list[str]:
        try:
            with (self._folder / "capture.pcap").open("rb") as file:
                read_snaplen(file)
                headless = flows_without_syn(read_records(file))
        except (OSError, PcapError):
            return []
        who = (
            "1 connection begins without its SYN"
            if headless == 1
            else f"{headless} connections begin without their SYN"
        )
        return [who] if headless else []


def _accounted(tap: _Tap) -> bool:
    return tcpdump.is_done(tap.said)
