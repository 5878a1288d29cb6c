"""Whether a capture holds the beginning of every connection in it; frames in, answer out."""

import itertools
from collections import defaultdict
from collections.abc import Iterable

from netem.observe.pcap import Record

_RECORD_HEADER_BYTES = 16
_ETHERNET_BYTES = 14
_TCP = 6
_SYN = 0x02
_BOTH = 2
CHECKED_RECORDS = 10_000
"""Only the first so many frames are looked at: a handshake that is lost is lost at the beginning."""


def flows_without_syn(records: Iterable[Record]) -> int:
    """Count the connections without a SYN among the first CHECKED_RECORDS frames.

    A frame that was damaged on the way may look like one of another connection; nobody answers it, so that only what
    was seen in both directions counts.
    """
    seen: defaultdict[bytes, set[bytes]] = defaultdict(set)
    begun: set[bytes] = set()
    for record in itertools.islice(records, CHECKED_RECORDS):
        segment = _segment(record.data)
        if segment is None:
            continue
        source, target, flags = segment
        flow = b"".join(sorted((source, target)))
        seen[flow].add(source)
        if flags & _SYN:
            begun.add(flow)
    return sum(len(sources) == _BOTH for flow, sources in seen.items() if flow not in begun)


def _segment(record: bytes) -> tuple[bytes, bytes, int] | None:
    """Return address and port of both ends, the sender's first, and the TCP flags; None for anything else."""
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
    return source + record[at : at + 2], target + record[at + 2 : at + 4], record[at + 13]
