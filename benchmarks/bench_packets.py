"""Compare the speed of packet analysis with that of tshark and its analysis fields, on the same file.

The capture is real traffic: 100-byte writes over loopback, half of them IPv4 and half IPv6, recorded at snaplen 128 as
in the sidecar. Both programs read the same file on the same machine, each on one processor. The figure is the least
processor time (user and system) of five runs, which depends least on other load. Memory is the kernel's peak count of a
separate process minus its count before reading; it includes mapped pages of the file.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.figure import Figure
from testbed.analysis.packets.capture import analyse_capture
from tests.support.tshark_tools import Tools, provide_tools

RUNS: Final = 5
MILLION: Final = 1_000_000
MIN_PACKETS: Final = 1_200_000
MAX_RECORDINGS: Final = 40
WRITES: Final = {"bytes": 10_000_000, "chunk": 100, "nodelay": True, "burst": 20}
RECORD_BYTES: Final = 82
MARKS: Final = "zero_window,window_full,window_update,keep_alive,duplicate_ack,retransmission,lost_segment,out_of_order"

RECORD: Final = (  # a record of a long capture: pcap header, Ethernet, IPv4, TCP
    *(("s", "<u4", 0), ("ns", "<u4", 4), ("captured", "<u4", 8), ("length", "<u4", 12), ("type", ">u2", 28)),
    *(("ip", "u1", 30), ("total", ">u2", 32), ("proto", "u1", 39), ("src", ">u4", 42), ("dst", ">u4", 46)),
    *(("sport", ">u2", 50), ("dport", ">u2", 52), ("seq", ">u4", 54), ("ack", ">u4", 58)),
    *(("off", "u1", 62), ("flags", "u1", 63), ("win", ">u2", 64)),
)

READ: Final = """
import sys, time
from pathlib import Path
from testbed.analysis.packets.capture import read_capture
def peak_kb():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
before = peak_kb()
started = time.process_time()
capture = read_capture(Path(sys.argv[1]))
print(time.process_time() - started, peak_kb() - before, capture.facts.packets)
"""


def measure() -> Iterator[Figure]:
    """Record a capture, analyse it with both programs and yield the figures."""
    folder = Path(tempfile.mkdtemp(prefix="bench-packets-"))
    try:
        capture = folder / "capture.pcap"
        tshark_s = _record_and_time_tshark(capture)
        ours = [_read(capture) for _ in range(RUNS)]
        ratio = min(tshark_s) / min(seconds for seconds, _, _ in ours)
        yield Figure("packets: analysis over tshark", ratio, "x", least=25, samples=[s for s, _, _ in ours])
        packets = ours[0][2]
        yield Figure("packets: analysed a second", packets / min(s for s, _, _ in ours) / MILLION, "M/s")
        yield Figure("packets: tshark a second", packets / min(tshark_s) / MILLION, "M/s", samples=tshark_s)
        yield Figure("packets: memory, real", max(m for _, m, _ in ours), "MB/M", most=500)
        _write_long(capture, 10 * MILLION)
        seconds, memory, packets = _read(capture)
        yield Figure("packets: memory, one connection of 10 M", memory, "MB/M", most=500)
        yield Figure("packets: the same, a second", packets / seconds / MILLION, "M/s")
    finally:
        shutil.rmtree(folder)


def _read(path: Path) -> tuple[float, float, int]:
    """Return seconds, megabytes per million packets, and packets."""
    run = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)
    seconds, peak_kb, packets = run.stdout.split()
    return float(seconds), int(peak_kb) / 1024 / (int(packets) / MILLION), int(packets)


def _record_and_time_tshark(path: Path) -> list[float]:
    with provide_tools(lifetime_s=3600) as tools:
        _record_enough(tools, path)
        tools.put({"capture": path.read_bytes()})
        return [_time_tshark(tools) for _ in range(RUNS)]


def _record_enough(tools: Tools, path: Path) -> None:
    """Record connections of both families alternately, until there are enough packets.

    How many writes share a packet varies. Recordings in which the capture itself dropped packets are discarded, because
    they would measure the handling of gaps.
    """
    joined = b""
    for number in range(MAX_RECORDINGS):
        family = 4 + 2 * (number % 2)
        recorded, _ = tools.try_to_record("none", WRITES | {"family": family})
        joined += recorded[24:] if joined else recorded
        if joined and analyse_capture(joined).facts.packets >= MIN_PACKETS:
            path.write_bytes(joined)
            return
    raise RuntimeError(f"{MAX_RECORDINGS} recordings without drops have fewer than {MIN_PACKETS} packets")


def _time_tshark(tools: Tools) -> float:
    fields = ["frame.number", "frame.time_epoch", "tcp.stream", "tcp.srcport", "tcp.seq", "tcp.ack", "tcp.len"]
    fields += [f"tcp.analysis.{name}" for name in (*MARKS.split(","), "bytes_in_flight", "ack_rtt")]
    words = [word for name in fields for word in ("-e", name)]
    read = f"tshark -n -r /tools/capture -T fields {' '.join(words)} > /dev/null 2> /dev/null"
    output = tools.run("bash", "-c", f"TIMEFORMAT='%U %S'; {{ time {read}; }} 2>&1")
    return sum(float(seconds) for seconds in output.split())


def _write_long(path: Path, packets: int) -> None:
    """Write one connection: repeatedly two data segments and an ACK, headers only, a microsecond apart."""
    names, formats, offsets = (list(column) for column in zip(*RECORD, strict=True))
    kind = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": RECORD_BYTES})
    with path.open("wb") as file:
        file.write(np.array([0xA1B23C4D, 0x40002, 0, 0, 262_144, 1], "<u4").tobytes())
        for start in range(0, packets, MILLION):
            number = np.arange(start, min(start + MILLION, packets))
            answers = number % 3 == 2
            sent = (number // 3 * 2 + np.minimum(number % 3, 2)) * 100
            rows = np.zeros(len(number), kind)
            rows["s"], rows["ns"] = 1_700_000_000 + number // MILLION, number % MILLION * 1000
            rows["captured"], rows["length"] = RECORD_BYTES - 16, np.where(answers, 66, 154)
            rows["type"], rows["ip"], rows["proto"], rows["off"], rows["flags"] = 0x0800, 0x45, 6, 0x50, 0x10
            rows["total"] = np.where(answers, 40, 140)
            ends = (0x0A000001, 0x0A000002, 40_000, 8888)
            for name, mine, theirs in (("src", 0, 1), ("dst", 1, 0), ("sport", 2, 3), ("dport", 3, 2)):
                rows[name] = np.where(answers, ends[theirs], ends[mine])
            rows["seq"] = np.where(answers, 5001, (1001 + sent) & 0xFFFFFFFF)
            rows["ack"] = np.where(answers, (1001 + sent) & 0xFFFFFFFF, 5001)
            rows["win"] = 500
            rows.tofile(file)
