"""Whether a capture holds the beginning of every connection in it; frames in, answer out."""

import itertools
from collections.abc import Iterable

from netem.observe.pcap import Record

_RECORD_HEADER_BYTES = 16
_ETHERNET_BYTES = 14
_TCP = 6
_SYN = 0x02
CHECKED_RECORDS = 10_000
"""Only the first so many frames are looked at: a handshake that is lost is lost at the beginning."""


def flows_without_syn(records: Iterable[Record]) -> int:
    """Count the connections whose first frame is not a SYN, among the first CHECKED_RECORDS frames."""
    seen: set[bytes] = set()
    headless = 0
    for record in itertools.islice(records, CHECKED_RECORDS):
        segment = _segment(record.data)
        if segment is None:
            continue
        flow, flags = segment
        if flow not in seen:
            seen.add(flow)
            headless += not flags & _SYN
    return headless


def _segment(record: bytes) -> tuple[bytes, int] | None:
    """Return the connection's name, equal for both directions, and the TCP flags; None for anything else."""
    at = _RECORD_HEADER_BYTES + _ETHERNET_BYTES
    kind = record[at - 2 : at]
    if kind == b"\x08\x00" and len(record) > at + 20 and record[at + 9] == _TCP:
        source, target = record[at + 12 : at + 16], record[at + 16 : at + 20]
        at += (record[at] & 0x0F) * 4
    elif kind == b"\x86\xdd" and len(record) > at + 40 and record[at + 6] == _TCP:
        source, target = record[at + 8 : at + 24], record[at + 24 : at + 40]
        at += 40
    else:
        return None
    if len(record) < at + 14:
        return None
    ends = sorted((source + record[at : at + 2], target + record[at + 2 : at + 4]))
    return b"".join(ends), record[at + 13]
