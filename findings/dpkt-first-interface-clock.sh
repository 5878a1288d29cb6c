#!/bin/sh
# dpkt 1.9.8: one clock for a whole pcapng file.
#
# In pcapng each interface says in if_tsresol what its time stamps count, and each section describes its interfaces
# anew. dpkt keeps the value of the first interface of the file and divides every time stamp by it. A packet of a
# second interface that counts nanoseconds is then 1000 times too late, in the year 55840; in a later section that
# counts microseconds after a first one of nanoseconds it is 1000 times too early, in January 1970. Nothing is raised.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q --disable-pip-version-check install dpkt==1.9.8

"$dir/venv/bin/python" - >"$dir/seen" <<'PYTHON'
import io
from struct import pack

import dpkt

FRAME = bytes.fromhex(
    "02000000000102000000000208004500002800014000400626cd0a0000010a000002"
    "9c4013880000000100000001501003e8e81f0000"
)


def block(kind, body):
    body += bytes(-len(body) % 4)
    return pack("<II", kind, len(body) + 12) + body + pack("<I", len(body) + 12)


def interface(digits):
    return block(1, pack("<HHI", 1, 0, 0) + pack("<HHBxxxI", 9, 1, digits, 0))


def packet(number, ticks):
    return block(6, pack("<5I", number, ticks >> 32, ticks & 0xFFFFFFFF, len(FRAME), len(FRAME)) + FRAME)


SECTION = block(0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
SECONDS = 1_700_000_000
MICRO, NANO = SECONDS * 10**6, SECONDS * 10**9

for name, capture in (
    ("two interfaces", interface(6) + interface(9) + packet(0, MICRO) + packet(1, NANO)),
    ("two sections", interface(9) + packet(0, NANO) + SECTION + interface(6) + packet(0, MICRO)),
):
    times = [int(time) for time, _ in dpkt.pcapng.Reader(io.BytesIO(SECTION + capture))]
    print(f"{name}: both packets are of {SECONDS}, dpkt says {times}")
PYTHON

cat >"$dir/expected" <<'END'
two interfaces: both packets are of 1700000000, dpkt says [1700000000, 1700000000000]
two sections: both packets are of 1700000000, dpkt says [1700000000, 1700000]
END
echo "dpkt 1.9.8, pcapng with more than one resolution of time:"
cat "$dir/seen"
diff "$dir/expected" "$dir/seen" || { echo "CHANGED: dpkt behaves differently now"; exit 1; }
