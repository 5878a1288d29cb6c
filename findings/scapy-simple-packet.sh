#!/bin/sh
# scapy 2.8.0: a Simple Packet Block of pcapng comes out empty, stamped with the time at which it is read.
#
# The block has no captured length of its own: it is the smaller of the original length and the interface's snaplen, and
# a snaplen of 0 means "no limit". scapy takes the minimum with 0, so that no byte of the frame is left, while
# `wirelen` is right. The block has no time either; scapy then leaves the time of the packet's construction, now, so
# that two reads of one file disagree. With a snaplen of 65535 the frame is whole, and the time is still invented.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q --disable-pip-version-check install scapy==2.8.0

"$dir/venv/bin/python" - >"$dir/seen" <<'PYTHON'
import io
import time
from struct import pack

from scapy.utils import PcapNgReader

FRAME = bytes.fromhex(
    "02000000000102000000000208004500002800014000400626cd0a0000010a000002"
    "9c4013880000000100000001501003e8e81f0000"
)


def block(kind, body):
    body += bytes(-len(body) % 4)
    return pack("<II", kind, len(body) + 12) + body + pack("<I", len(body) + 12)


for snaplen in (0, 65535):
    capture = (
        block(0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
        + block(1, pack("<HHI", 1, 0, snaplen))
        + block(3, pack("<I", len(FRAME)) + FRAME)
    )
    before = time.time()
    (packet,) = PcapNgReader(io.BytesIO(capture))
    now = before <= float(packet.time) <= time.time()
    shown = "now" if now else packet.time
    print(f"snaplen {snaplen}: {len(packet.original)} of {packet.wirelen} bytes, time is {shown}")
PYTHON

cat >"$dir/expected" <<'END'
snaplen 0: 0 of 54 bytes, time is now
snaplen 65535: 54 of 54 bytes, time is now
END
echo "scapy 2.8.0, one Simple Packet Block with a frame of 54 bytes:"
cat "$dir/seen"
diff "$dir/expected" "$dir/seen" || { echo "CHANGED: scapy behaves differently now"; exit 1; }
