"""Compare the analysis of a capture with tshark's, frame by frame."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from testbed.analysis.packets.flags import ACK, RETRANSMISSIONS, Mark
from testbed.analysis.packets.model import Capture, Connection

OURS = Mark.WINDOW_PROBE | Mark.DUPLICATE_SACK
FLAGS: dict[str, Mark] = {mark.name.lower(): mark for mark in Mark if mark.name and not mark & OURS}
FLAGS["retransmission"] = RETRANSMISSIONS  # tshark shows it beside the fast and the spurious one

STAMP = "tcp.options.timestamp.tsval"
D_SACK = "tcp.options.sack.dsack"
MALFORMED = "_ws.malformed"
PLAIN = (MALFORMED, D_SACK, "frame.number", "tcp.stream", "tcp.len", "tcp.seq", "tcp.ack", "tcp.window_size", STAMP)
NUMBERS = ("bytes_in_flight", "acks_frame", "ack_rtt", "rto", "initial_rtt")
FIELDS = (*PLAIN, *(f"tcp.analysis.{name}" for name in (*FLAGS, *NUMBERS)))

MASK = 0xFFFFFFFF
Row = dict[str, str]


def arguments(path: str) -> list[str]:
    """Return the command whose output `parse` reads."""
    fields = [word for name in FIELDS for word in ("-e", name)]
    return ["tshark", "-n", "-r", path, "-Y", "tcp", "-T", "fields", "-E", "separator=|", *fields]


def parse(text: str) -> list[Row]:
    return [dict(zip(FIELDS, line.split("|"), strict=True)) for line in text.splitlines()]


@dataclass(frozen=True)
class Comparison:
    """What differs, a sentence each, how often tshark showed each flag, and how many frames were looked at and not."""

    differences: list[str]
    flags: Counter[str]
    compared: int
    passed_over: int


def compare(capture: Capture, rows: list[Row]) -> Comparison:
    """Hold the two against each other."""
    place = {int(n): (c, at) for c in capture.connections() for at, n in enumerate(c.frames.number.tolist())}
    differences = []
    flags: Counter[str] = Counter()
    passed_over = _given_up(rows)
    theirs = {int(row["frame.number"]) for row in rows} - passed_over
    if theirs != place.keys() - passed_over:
        differences.append(f"frames only in one: {sorted(theirs ^ (place.keys() - passed_over))[:10]}")
    for row in rows:
        flags.update(name for name in FLAGS if row[f"tcp.analysis.{name}"])
        number = int(row["frame.number"])
        if number in place and number not in passed_over:
            differences.extend(f"frame {number}: {text}" for text in _differences(row, *place[number]))
    return Comparison(differences, flags, compared=len(theirs), passed_over=len(passed_over))


def _given_up(rows: list[Row]) -> set[int]:
    """Return the frames that tshark cannot be asked about.

    A header that does not fit into its packet or is too short to be one, and options that do not fit into their header,
    make it give up in the middle of the frame. It has taken in the sequence numbers by then, but not what SYNs say and
    when they came: from such a frame in a handshake on, its times and windows of the whole connection are others.
    """
    found: set[int] = set()
    knows_round_trip: set[str] = set()
    lost: set[str] = set()
    for row in rows:
        stream = row["tcp.stream"]
        if row["tcp.analysis.initial_rtt"]:
            knows_round_trip.add(stream)
        gives_up = row[MALFORMED] or not row["tcp.window_size"]
        if gives_up and stream not in knows_round_trip:
            lost.add(stream)
        if gives_up or stream in lost:
            found.add(int(row["frame.number"]))
    return found


def _differences(row: Row, connection: Connection, at: int) -> Iterator[str]:
    frames = connection.frames
    marks = Mark(int(frames.marks[at]))
    for name, mark in FLAGS.items():
        if bool(row[f"tcp.analysis.{name}"]) != bool(marks & mark):
            yield f"{name} is {'tshark' if row[f'tcp.analysis.{name}'] else 'ours'} only ({marks!r})"
    yield from _unequal("duplicate SACK", bool(row[D_SACK]), bool(marks & Mark.DUPLICATE_SACK))
    yield from _unequal("stream", int(row["tcp.stream"]), connection.stream)
    yield from _unequal("len", int(row["tcp.len"]), int(frames.payload_bytes[at]))
    yield from _unequal("seq", int(row["tcp.seq"]), int(frames.relative_seq_bytes[at]) & MASK)
    if int(frames.tcp_flags[at]) & ACK:
        yield from _unequal("ack", int(row["tcp.ack"]), int(frames.relative_ack_bytes[at]) & MASK)
    if int(frames.window_bytes[at]) >= 0:
        yield from _unequal("window_size", int(row["tcp.window_size"]), int(frames.window_bytes[at]))
    yield from _unequal("time stamp", int(row[STAMP] or 0), int(frames.timestamp_value[at]))
    shown = {name: row[f"tcp.analysis.{name}"] for name in NUMBERS}
    yield from _unequal("acks_frame", int(shown["acks_frame"] or -1), int(frames.acked_frame[at]))
    # tshark shows no time of zero.
    for name, ours in (("ack_rtt", frames.ack_rtt_ns), ("rto", frames.rto_ns)):
        yield from _unequal(name, nanoseconds(shown[name]), max(int(ours[at]), 0))
    if shown["initial_rtt"]:
        yield from _unequal("initial_rtt", nanoseconds(shown["initial_rtt"]), connection.initial_rtt_ns)
    if not _wraps(connection):
        yield from _unequal("bytes_in_flight", int(shown["bytes_in_flight"] or 0), int(frames.in_flight_bytes[at]))


def _wraps(connection: Connection) -> bool:
    """tshark measures bytes in flight on numbers relative to the first one: wrong for anything that is before it."""
    seqs = connection.frames.relative_seq_bytes
    return bool(seqs.min() < 0 or seqs.max() > MASK)


def _unequal(what: str, theirs: int, ours: int) -> Iterator[str]:
    if theirs != ours:
        yield f"{what} is {theirs} for tshark, {ours} for us"


def nanoseconds(text: str) -> int:
    """Return tshark's seconds with nine decimals exactly; nothing is 0."""
    seconds, _, fraction = text.partition(".")
    return int(seconds or 0) * 1_000_000_000 + int(f"{fraction:0<9}"[:9])
