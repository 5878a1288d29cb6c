"""Simulate whole transfers: a small model of a sender, a link and a reader writes the files of a real cell.

The model runs in steps of a millisecond and follows the rules that the analysis relies on: conservation of bytes, zero
windows, probes with exponential backoff, the kernel's chronograph. It has no congestion control.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from netem.observe.rows import COLUMNS
from testbed.analysis.events import parse_log
from testbed.analysis.join.cell_folder import choose_connection
from testbed.analysis.join.observation import CaptureState, End, Observation, Role
from testbed.analysis.join.samples import parse_samples
from testbed.analysis.packets.capture import analyse_capture
from testbed.result import CellRecord, ProgramExit
from testbed.scenario.model import Cell
from tests.support.captures import ACK, EPOCH_NS, FIN, PSH, SYN, Segment, pcap, syn_options

MS = 1_000_000
START_NS = 1_000_000_000_000
"""CLOCK_MONOTONIC when the SYN is sent."""
OFFSET_NS = EPOCH_NS - START_NS
MSS, ISN_CLIENT, ISN_SERVER, SCALE = 1448, 1000, 5000, 7
SAMPLE_MS, RTO_MS = 20, 204


@dataclass
class Transfer:
    """The parameters of a transfer and, after `run`, its segments, logs and samples."""

    total_bytes: int = 60_000
    chunk_bytes: int = 1000
    read_bytes: int = 8192
    read_delay_ms: int = 0
    rcvbuf_bytes: int = 131_072
    sndbuf_bytes: int = 262_144
    rate_bytes_per_ms: int = 1_000_000
    write_gap_ms: int = 0
    family: str = "ipv4"
    in_program: bool = False
    requested: dict[str, Any] = field(default_factory=dict)

    segments: list[Segment] = field(default_factory=list)
    logs: dict[Role, list[str]] = field(default_factory=lambda: {"client": [], "server": []})
    sockets: dict[Role, list[str]] = field(default_factory=lambda: {"client": [], "server": []})

    def __post_init__(self) -> None:
        self.capacity_bytes = int(0.92 * self.rcvbuf_bytes)
        self.written = self.called = self.sent = self.acked = self.read = 0
        self.window, self.edge = self.capacity_bytes >> SCALE << SCALE, 0
        self.write_start_ms: int | None = None
        self.busy_ms = self.limited_ms = 0
        self.probe_ms, self.probe_wait_ms, self.next_write_ms, self.next_read_ms = None, RTO_MS, 3, 3
        self.eof_ms: int | None = None

    def run(self) -> "Transfer":
        self._shake_hands()
        self.edge = self.window
        at_ms = 3
        while self.eof_ms is None:
            self._write(at_ms)
            self._send(at_ms)
            self._read(at_ms)
            if at_ms % SAMPLE_MS == 0:
                self._sample(at_ms)
            waiting = self.written > self.sent
            self.busy_ms += waiting or self.sent > self.acked
            self.limited_ms += waiting and self.sent >= self.edge
            at_ms += 1
            assert at_ms < 600_000, "the model does not terminate"
        self._close(at_ms)
        return self

    def _segment(self, at_ms: int, *, from_server: bool = False, **facts: Any) -> None:
        seq, ack = ISN_CLIENT + 1 + facts.pop("at", self.sent), ISN_SERVER + 1
        if from_server:
            seq, ack = ack, ISN_CLIENT + 1 + self.sent
        window = facts.pop("window", self.window if from_server else 64_512)
        made = Segment(seq, ack, window=window >> SCALE, from_server=from_server, time_ns=EPOCH_NS + at_ms * MS)
        self.segments.append(replace(made, **facts))

    def _shake_hands(self) -> None:
        options = syn_options(mss=MSS, scale=SCALE)
        for number, (flags, from_server) in enumerate(((SYN, False), (SYN | ACK, True), (ACK, False))):
            isn = ISN_SERVER if from_server else ISN_CLIENT
            ack = 0 if flags == SYN else (ISN_CLIENT if from_server else ISN_SERVER) + 1
            plain = flags == ACK
            self.segments.append(
                Segment(
                    isn + plain,
                    ack,
                    flags,
                    window=504 if plain else 64_240,
                    options=b"" if plain else options,
                    from_server=from_server,
                    time_ns=EPOCH_NS + number * MS,
                )
            )

    def _write(self, at_ms: int) -> None:
        if self.in_program and self.called < self.total_bytes:
            self._log("client", "write", at_ms, at_ms, self.total_bytes)
            self.called = self.total_bytes
        while self.written < self.total_bytes and at_ms >= self.next_write_ms:
            if self.write_start_ms is None:
                self.write_start_ms = at_ms
            size = min(self.chunk_bytes, self.total_bytes - self.written)
            if self.written - self.acked + size > self.sndbuf_bytes:
                return
            self.written += size
            if not self.in_program:
                self._log("client", "write", self.write_start_ms, at_ms, size)
            self.write_start_ms = None
            if self.write_gap_ms:
                self.next_write_ms = at_ms + self.write_gap_ms

    def _log(self, role: Role, op: str, start_ms: int, end_ms: int, size: int) -> None:
        start_ns = START_NS + start_ms * MS
        end_ns = START_NS + end_ms * MS + 1000
        self.logs[role].append(f"{op},{start_ns},{end_ns},{size},0")

    def _send(self, at_ms: int) -> None:
        """Send what window and rate allow; all data arrives and is acknowledged within the same millisecond."""
        budget = self.rate_bytes_per_ms
        while budget > 0 and self.sent < self.written and self.sent < self.edge:
            size = min(16 * MSS, self.written - self.sent, self.edge - self.sent, budget)
            self._segment(at_ms, length=size, flags=ACK | PSH)
            self.sent += size
            budget -= size
            self._acknowledge(at_ms)
        self._probe(at_ms)

    def _acknowledge(self, at_ms: int) -> None:
        self.acked = self.sent
        self.probe_ms = None
        room = self.capacity_bytes - (self.sent - self.read)
        self.window = room >> SCALE << SCALE if room >= MSS else 0
        self.edge = max(self.edge, self.acked + self.window) if self.window else self.acked
        self._segment(at_ms, from_server=True)

    def _probe(self, at_ms: int) -> None:
        if self.window or self.sent >= self.written:
            self.probe_ms = None
            return
        if self.probe_ms is None:
            self.probe_ms, self.probe_wait_ms = at_ms + RTO_MS, RTO_MS
        elif at_ms >= self.probe_ms:
            self._segment(at_ms, at=self.sent - 1)
            self._segment(at_ms, from_server=True)
            self.probe_wait_ms *= 2
            self.probe_ms = at_ms + self.probe_wait_ms

    def _read(self, at_ms: int) -> None:
        if at_ms < self.next_read_ms:
            return
        if self.read == self.total_bytes:
            self.eof_ms = at_ms
            return
        size = min(self.read_bytes, self.sent - self.read)
        if not size:
            return
        self.read += size
        self._log("server", "read", at_ms, at_ms, size)
        if self.read_delay_ms:
            self._log("server", "sleep", at_ms, at_ms + self.read_delay_ms, 0)
            self.next_read_ms = at_ms + self.read_delay_ms
        self._reopen(at_ms)

    def _reopen(self, at_ms: int) -> None:
        room = self.capacity_bytes - (self.sent - self.read)
        if room - self.window >= max(2 * MSS, self.capacity_bytes // 2):
            self.window = room >> SCALE << SCALE
            self.edge = self.acked + self.window
            self._segment(at_ms, from_server=True)

    def _sample(self, at_ms: int, state: str = "ESTABLISHED") -> None:
        times = {"monotonic_ns": START_NS + at_ms * MS, "realtime_ns": EPOCH_NS + at_ms * MS}
        common = {"family": self.family, "state": state, "congestion": "cubic", "shutdown": 0, "rtt": 1000}
        closed = state == "CLOSE"
        client = times | common | {
            "cookie": 1, "local_port": 40000, "remote_port": 8888, "receive_queue_bytes": 0,
            "send_queue_bytes": self.written - self.acked, "notsent_bytes": self.written - self.sent,
            "bytes_acked": self.acked + 1 + closed, "sndbuf": self.sndbuf_bytes, "rcvbuf": 131_072, "snd_mss": MSS,
            "rto": RTO_MS * 1000, "busy_time": self.busy_ms * 1000, "rwnd_limited": self.limited_ms * 1000,
            "sndbuf_limited": 0, "total_retrans": 0, "dsack_dups": 0, "total_rto": 0, "bytes_retrans": 0,
            "data_segs_out": -(-self.sent // MSS), "snd_wnd": self.window, "rcv_wnd": 64_512,
        }  # fmt: skip
        server = times | common | {
            "cookie": 2, "local_port": 8888, "remote_port": 40000, "receive_queue_bytes": self.sent - self.read,
            "send_queue_bytes": 0, "bytes_received": self.sent + closed, "bytes_acked": 0, "rcvbuf": self.rcvbuf_bytes,
            "sndbuf": 46_080, "rcv_wnd": self.window,
        }  # fmt: skip
        for role, row in (("client", client), ("server", server)):
            self.sockets[role].append(",".join(str(row.get(name, "")) for name in COLUMNS))  # type: ignore[index]

    def _close(self, at_ms: int) -> None:
        self._segment(at_ms, flags=FIN | ACK)
        self._segment(at_ms, from_server=True, flags=FIN | ACK)
        closing = self.segments[-1]
        self.segments[-1] = replace(closing, ack=closing.ack + 1)
        self._segment(at_ms, at=self.sent + 1)
        self._sample(at_ms, "CLOSE")

    def files(self) -> dict[str, bytes]:
        """Return the files of the cell by their paths in its folder."""
        found = {}
        for role in ("client", "server"):
            events = [f"# realtime_offset_ns={OFFSET_NS}", "op,start_ns,end_ns,bytes,total_bytes", *self.logs[role]]
            found[f"{role}/events.csv"] = "\n".join(events).encode()
            found[f"{role}/sockets.csv"] = "\n".join([",".join(COLUMNS), *self.sockets[role]]).encode()
            found[f"{role}/capture.pcap"] = pcap(self.segments)
        return found

    def observe(self, **changes: Any) -> Observation:
        """Return the observation of the transfer, with fields changed."""
        files = self.files()
        facts: dict[str, Any] = {
            role: End(
                of,
                log=parse_log(files[f"{of}/events.csv"].decode().splitlines()),
                samples=parse_samples(files[f"{of}/sockets.csv"].decode().splitlines()),
                capture=captured(files[f"{of}/capture.pcap"], f"{of}/capture.pcap", complete=True),
            )
            for role, of in (("sender", "client"), ("receiver", "server"))
        }
        requested = {"family": self.family, "read_size": self.read_bytes, "chunk": self.chunk_bytes} | self.requested
        facts |= {"realtime_offset_ns": OFFSET_NS, "requested": requested, "rtt_ms": 0.1}
        return Observation(**(facts | changes))

    def write(self, folder: Path, **changes: Any) -> Path:
        """Write the folder of a cell."""
        for path, data in self.files().items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        for role in ("client", "server"):
            (folder / role / "stdout.log").write_text("")
        stopped = {"stopped": {"capture": {"complete": True, "why": "", "note": ""}}}
        facts: dict[str, Any] = {
            "run": "r",
            "id": folder.name,
            "requested": Cell.model_validate({"client": "image", "server": "image", "family": self.family}).requested()
            | self.requested,
            "impairment": {"client": "", "server": ""},
            "images": {},
            "exits": {"client": ProgramExit(exit_code=0), "server": ProgramExit(exit_code=0)},
            "sidecars": {"client": stopped, "server": stopped},
        }
        (folder / "cell.json").write_text(CellRecord(**(facts | changes)).model_dump_json())
        (folder.parent / "run.json").write_text(json.dumps({"kernel": "6.18.0", "sysctls": {}}))
        return folder


def captured(data: bytes, file: str = "client/capture.pcap", **facts: Any) -> CaptureState:
    """Return the state of a capture with its largest connection."""
    capture = analyse_capture(data)
    return CaptureState(file, choose_connection(capture), capture.facts, **facts)


def captures_of(segments: Sequence[Segment], **changes: Any) -> Observation:
    """Return an observation that has only two captures of the same segments."""
    facts: dict[str, Any] = {
        role: End(of, capture=captured(pcap(segments), f"{of}/capture.pcap", complete=True))
        for role, of in (("sender", "client"), ("receiver", "server"))
    }
    return Observation(**(facts | changes))


def slow_reader(**changes: Any) -> Transfer:
    """Return a transfer with small buffers whose reader pauses 300 ms after each read."""
    facts: dict[str, Any] = {
        "total_bytes": 60_000,
        "rcvbuf_bytes": 16_384,
        "sndbuf_bytes": 16_384,
        "read_delay_ms": 300,
    }
    requested = {"sndbuf": 8192, "rcvbuf": 8192}
    return Transfer(**({"requested": requested} | facts | changes)).run()


def broken_off(at_ms: int = 700, **changes: Any) -> Transfer:
    """Return a transfer to a slow reader whose observation stops before the connection is closed."""
    transfer = slow_reader(**changes)
    transfer.segments = [each for each in transfer.segments if each.time_ns <= EPOCH_NS + at_ms * MS]
    last_ns = START_NS + at_ms * MS
    for role in transfer.logs:
        transfer.logs[role] = [line for line in transfer.logs[role] if int(line.split(",")[2]) <= last_ns]
        transfer.sockets[role] = [line for line in transfer.sockets[role] if int(line.split(",")[0]) <= last_ns]
    return transfer


def swallowed(**changes: Any) -> Transfer:
    """Return a transfer with large buffers: the reader is slow, but the writes return at once."""
    return slow_reader(**({"sndbuf_bytes": 262_144, "requested": {"sndbuf": 0, "rcvbuf": 0}} | changes))


def fast_reader(**changes: Any) -> Transfer:
    """Return a transfer without any limit."""
    return Transfer(**({"total_bytes": 100_000, "chunk_bytes": MSS} | changes)).run()


def late_last_write() -> Transfer:
    """Return a fast reader's transfer whose last write() took 22 ms because it waited for a CPU."""
    transfer = fast_reader()
    op, start, end, size, total = transfer.logs["client"][-1].split(",")
    transfer.logs["client"][-1] = f"{op},{int(start) - 22_000_000},{end},{size},{total}"
    return transfer


def slow_network(**changes: Any) -> Transfer:
    """Return a transfer over a link of 100 bytes a millisecond."""
    return Transfer(**({"total_bytes": 60_000, "chunk_bytes": MSS, "rate_bytes_per_ms": 100} | changes)).run()


def slow_sender(**changes: Any) -> Transfer:
    """Return a transfer whose program writes every 50 ms."""
    return Transfer(**({"total_bytes": 20_000, "chunk_bytes": 1000, "write_gap_ms": 50} | changes)).run()
