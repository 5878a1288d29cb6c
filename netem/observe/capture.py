"""The capture: one tcpdump per point, merged by time into one file when it stops.

With an emulation engine in the path, egress is captured where the frames enter the engine, before the impairment, and
ingress on the device. All timestamps are therefore those at which the endpoint's TCP sent or received a frame.
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
from netem.observe.handshake import connections_without_syn
from netem.observe.pcap import PcapError, merge, read_records, read_snaplen
from netem.system.process import Child, spawn
from netem.system.reactor import Reactor

_STOP_TIMEOUT_S = 5.0
_PRUNE_NS = 500_000_000
_HINT = "give the container the capability NET_RAW and a writable NETEM_OUTPUT"


@dataclass(slots=True)
class _PointCapture:
    """One tcpdump and what it has printed."""

    point: CapturePoint
    path: Path
    child: Child
    stderr: str = ""
    listening: bool = False

    @property
    def counters(self) -> tcpdump.CaptureCounters:
        return tcpdump.counters(self.stderr)

    def problems(self) -> list[str]:
        """Return why this capture is incomplete; call it after the end of tcpdump."""
        inbound_only = self.point.inbound_only
        lost = self.counters.problem(tcpdump.unfiltered_frames(self.stderr), inbound_only=inbound_only)
        reported = tcpdump.has_reported(self.stderr)
        no_counters = "" if reported else f"tcpdump on {self.point.device} did not print its counters"
        return [problem for problem in (no_counters, lost) if problem]

    def facts(self) -> dict[str, Any]:
        """Return the entry of `points` in the event `stopped`."""
        counters = self.counters
        return {
            "device": self.point.device,
            "direction": "in" if self.point.inbound_only else "both",
            "captured": counters.captured,
            "received": counters.received,
            "dropped": counters.dropped,
        }


class _Merged(NamedTuple):
    records: int
    gap: rotation.Gap | None
    problem: str = ""


class Capture:
    """Run a tcpdump at each point; call `on_ready` once all of them capture, `on_failure` when one ends by itself."""

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
        self._points: list[_PointCapture] = []
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
            capture = _PointCapture(point, path, spawn(argv))
            self._points.append(capture)
            self._reactor.add_reader(capture.child.stderr, lambda capture=capture: self._on_stderr(capture))  # type: ignore[misc]
        if self._max_bytes:
            self._reactor.call_later(_PRUNE_NS, self._on_prune_timer)

    def mark(self) -> None:
        """Make each tcpdump print its counters now; the endpoint's traffic begins here."""
        for capture in self._points:
            capture.child.signal(signal.SIGUSR1)

    def stop(self) -> dict[str, Any]:
        """Stop the tcpdumps, merge their files into capture.pcap, and return how complete it is."""
        for capture in self._points:
            self._reactor.remove_reader(capture.child.stderr)
            capture.child.signal(signal.SIGINT)
        for capture in self._points:
            self._read_counters(capture)
        problems = [problem for capture in self._points for problem in capture.problems()]
        merged = self._merge()
        problems += [merged.problem] if merged.problem else []
        left_out = sum(capture.counters.captured for capture in self._points) - merged.records
        if merged.gap is not None:
            problems.append(self._gap_problem(left_out, merged.gap))
        problems += self._handshake_problems()
        return {
            "complete": not problems,
            "why": "; ".join(problems),
            "frames": merged.records,
            "cut": {"frames": left_out, **merged.gap._asdict()} if merged.gap else None,
            "points": [capture.facts() for capture in self._points],
        }

    def _on_stderr(self, capture: _PointCapture) -> None:
        chunk = os.read(capture.child.stderr, 4096)
        capture.stderr += chunk.decode(errors="replace")
        if not chunk:
            self._reactor.remove_reader(capture.child.stderr)
            lines = capture.stderr.strip().splitlines()
            message = lines[-1] if lines else "ended without a message"
            self._on_failure(SidecarError(f"capture on {capture.point.device}", message, _HINT))
        elif not capture.listening and tcpdump.is_listening(capture.stderr):
            capture.listening = True
            if all(each.listening for each in self._points):
                self.ready = True
                self._on_ready()

    @staticmethod
    def _read_counters(capture: _PointCapture) -> None:
        """Read tcpdump's final counters; it prints them once its file is complete, some time before it exits."""
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        poller = select.poll()
        poller.register(capture.child.stderr, select.POLLIN)
        while not tcpdump.has_reported(capture.stderr):
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not poller.poll(left_s * 1000):
                break
            chunk = os.read(capture.child.stderr, 4096)
            if not chunk:
                break
            capture.stderr += chunk.decode(errors="replace")

    def _on_prune_timer(self) -> None:
        self._prune()
        self._reactor.call_later(_PRUNE_NS, self._on_prune_timer)

    def _prune(self) -> None:
        for capture in self._points:
            rotation.prune(capture.path)

    def _gap_problem(self, frames: int, gap: rotation.Gap) -> str:
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
                parts = [rotation.segments(capture.path) for capture in self._points]
                gap = rotation.find_gap(parts)
                sources = [opened.enter_context(contextlib.closing(rotation.Joined(each))) for each in parts]
            except (OSError, IndexError, PcapError) as error:
                return _Merged(0, None, f"a part of the capture is unreadable: {error}")
            try:
                with partial.open("wb", buffering=1 << 20) as file:
                    records = merge(sources, file, gap or (0, 0))
            except (OSError, PcapError) as error:
                return _Merged(0, None, f"the parts of the capture could not be merged: {error}")
        partial.replace(target)
        for part in (part for each in parts for part in each):
            part.unlink()
        return _Merged(records, gap)

    def _handshake_problems(self) -> list[str]:
        try:
            with (self._folder / "capture.pcap").open("rb") as file:
                read_snaplen(file)
                count = connections_without_syn(read_records(file))
        except (OSError, PcapError):
            return []
        if not count:
            return []
        one = "1 connection begins without its SYN"
        return [one if count == 1 else f"{count} connections begin without their SYN"]
