"""Compare the analysis of a capture with tshark's, frame by frame."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from testbed.analysis.packets.flags import ACK, RETRANSMISSIONS, Mark
from testbed.analysis.packets.model import Capture, Connection

EXTENSIONS = Mark.WINDOW_PROBE | Mark.DUPLICATE_SACK
FLAGS: dict[str, Mark] = {mark.name.lower(): mark for mark in Mark if mark.name and not mark & EXTENSIONS}
FLAGS["retransmission"] = RETRANSMISSIONS  # tshark shows it in addition to the fast and the spurious one

TSVAL = "tcp.options.timestamp.tsval"
D_SACK = "tcp.options.sack.dsack"
MALFORMED = "_ws.malformed"
PLAIN = (MALFORMED, D_SACK, "frame.number", "tcp.stream", "tcp.len", "tcp.seq", "tcp.ack", "tcp.window_size", TSVAL)
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
    """The differences, how often tshark showed each flag, and how many frames were compared and skipped."""

    differences: list[str]
    flags: Counter[str]
    compared: int
    skipped: int


def compare(capture: Capture, rows: list[Row]) -> Comparison:
    """Compare the marks and numbers of all frames."""
    located = {int(n): (c, at) for c in capture.connections() for at, n in enumerate(c.frames.number.tolist())}
    differences = []
    flags: Counter[str] = Counter()
    skipped = _find_abandoned(rows)
    theirs = {int(row["frame.number"]) for row in rows} - skipped
    if theirs != located.keys() - skipped:
        differences.append(f"frames only in one: {sorted(theirs ^ (located.keys() - skipped))[:10]}")
    for row in rows:
        flags.update(name for name in FLAGS if row[f"tcp.analysis.{name}"])
        number = int(row["frame.number"])
        if number in located and number not in skipped:
            differences.extend(f"frame {number}: {text}" for text in _differences(row, *located[number]))
    return Comparison(differences, flags, compared=len(theirs), skipped=len(skipped))


def _find_abandoned(rows: list[Row]) -> set[int]:
    """Return the frames whose results from tshark are not comparable.

    tshark stops within a frame whose header does not fit into its packet or is too short, or whose options do not fit
    into their header. By then it has applied the sequence numbers, but neither the options of a SYN nor its time. If
    the frame belongs to a handshake, tshark's times and windows differ for the rest of the connection.
    """
    found: set[int] = set()
    with_initial_rtt: set[str] = set()
    affected: set[str] = set()
    for row in rows:
        stream = row["tcp.stream"]
        if row["tcp.analysis.initial_rtt"]:
            with_initial_rtt.add(stream)
        is_abandoned = row[MALFORMED] or not row["tcp.window_size"]
        if is_abandoned and stream not in with_initial_rtt:
            affected.add(stream)
        if is_abandoned or stream in affected:
            found.add(int(row["frame.number"]))
    return found


def _differences(row: Row, connection: Connection, at: int) -> Iterator[str]:
    frames = connection.frames
    marks = Mark(int(frames.marks[at]))
    for name, mark in FLAGS.items():
        if bool(row[f"tcp.analysis.{name}"]) != bool(marks & mark):
            yield f"{name} is only in {'tshark' if row[f'tcp.analysis.{name}'] else 'our result'} ({marks!r})"
    yield from _unequal("duplicate SACK", bool(row[D_SACK]), bool(marks & Mark.DUPLICATE_SACK))
    yield from _unequal("stream", int(row["tcp.stream"]), connection.stream)
    yield from _unequal("len", int(row["tcp.len"]), int(frames.payload_bytes[at]))
    yield from _unequal("seq", int(row["tcp.seq"]), int(frames.relative_seq_bytes[at]) & MASK)
    if int(frames.tcp_flags[at]) & ACK:
        yield from _unequal("ack", int(row["tcp.ack"]), int(frames.relative_ack_bytes[at]) & MASK)
    if int(frames.window_bytes[at]) >= 0:
        yield from _unequal("window_size", int(row["tcp.window_size"]), int(frames.window_bytes[at]))
    yield from _unequal("TSval", int(row[TSVAL] or 0), int(frames.timestamp_value[at]))
    shown = {name: row[f"tcp.analysis.{name}"] for name in NUMBERS}
    yield from _unequal("acks_frame", int(shown["acks_frame"] or -1), int(frames.acked_frame[at]))
    # tshark does not show a time of zero.
    for name, ours in (("ack_rtt", frames.ack_rtt_ns), ("rto", frames.rto_ns)):
        yield from _unequal(name, nanoseconds(shown[name]), max(int(ours[at]), 0))
    if shown["initial_rtt"]:
        yield from _unequal("initial_rtt", nanoseconds(shown["initial_rtt"]), connection.initial_rtt_ns)
    if not _wraps(connection):
        yield from _unequal("bytes_in_flight", int(shown["bytes_in_flight"] or 0), int(frames.in_flight_bytes[at]))


def _wraps(connection: Connection) -> bool:
    """Return whether tshark's bytes in flight are wrong: it uses 32-bit numbers relative to the first one."""
    seqs = connection.frames.relative_seq_bytes
    return bool(seqs.min() < 0 or seqs.max() > MASK)


def _unequal(what: str, theirs: int, ours: int) -> Iterator[str]:
    if theirs != ours:
        yield f"{what} is {theirs} in tshark, {ours} in our result"


def nanoseconds(text: str) -> int:
    """Convert tshark's seconds with nine decimals exactly; an empty text is 0."""
    seconds, _, fraction = text.partition(".")
    return int(seconds or 0) * 1_000_000_000 + int(f"{fraction:0<9}"[:9])
