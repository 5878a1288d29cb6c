"""Check whether a capture holds the handshake of every connection; frames in, a count out."""

import itertools
from collections import defaultdict
from collections.abc import Iterable

from netem.observe.pcap import Record

_RECORD_HEADER_BYTES = 16
_ETHERNET_BYTES = 14
_TCP = 6
_SYN = 0x02
_BOTH_DIRECTIONS = 2
CHECKED_RECORDS = 10_000
"""The maximum number of frames to check: handshakes are at the beginning."""


def connections_without_syn(records: Iterable[Record]) -> int:
    """Count the connections without a SYN among the first CHECKED_RECORDS frames.

    A corrupted frame may look like one of another connection, but it has no reverse traffic: only connections with
    frames in
    both directions count.
    """
    senders: defaultdict[bytes, set[bytes]] = defaultdict(set)
    begun: set[bytes] = set()
    for record in itertools.islice(records, CHECKED_RECORDS):
        segment = _segment(record.data)
        if segment is None:
            continue
        source, target, flags = segment
        flow = b"".join(sorted((source, target)))
        senders[flow].add(source)
        if flags & _SYN:
            begun.add(flow)
    return sum(len(sources) == _BOTH_DIRECTIONS for flow, sources in senders.items() if flow not in begun)


def _segment(record: bytes) -> tuple[bytes, bytes, int] | None:
    """Return address and port of the sender and the receiver, and the TCP flags; None when it is not TCP."""
    offset = _RECORD_HEADER_BYTES + _ETHERNET_BYTES
    kind = record[offset - 2 : offset]
    if kind == b"\x08\x00" and len(record) > offset + 20 and record[offset + 9] == _TCP:
        source, target = record[offset + 12 : offset + 16], record[offset + 16 : offset + 20]
        offset += (record[offset] & 0x0F) * 4
    elif kind == b"\x86\xdd" and len(record) > offset + 40 and record[offset + 6] == _TCP:
        source, target = record[offset + 8 : offset + 24], record[offset + 24 : offset + 40]
        offset += 40
    else:
        return None
    if len(record) < offset + 14:
        return None
    return source + record[offset : offset + 2], target + record[offset + 2 : offset + 4], record[offset + 13]
