#!/bin/sh
# scapy 2.8.0 and python-pcapng 2.1.1 ignore if_tsoffset; dpkt 1.9.8 and libpcap (in cypcap 0.6.3) apply it.
#
# The option of an interface gives seconds that are to be added to each of its time stamps: to keep them small, or to
# correct a wrong clock without rewriting the packets. The reader decides whether one file is of 2023 or January 1970.
# python-pcapng even parses the option: it is in the interface's `options`, only `timestamp` does not use it.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q --disable-pip-version-check install \
    scapy==2.8.0 python-pcapng==2.1.1 dpkt==1.9.8 cypcap==0.6.3
cd "$dir"

venv/bin/python - >seen <<'PYTHON'
from struct import pack

import cypcap
import dpkt
import pcapng
from pcapng.blocks import EnhancedPacket
from scapy.utils import PcapNgReader

FRAME = bytes.fromhex(
    "02000000000102000000000208004500002800014000400626cd0a0000010a000002"
    "9c4013880000000100000001501003e8e81f0000"
)


def block(kind, body):
    body += bytes(-len(body) % 4)
    return pack("<II", kind, len(body) + 12) + body + pack("<I", len(body) + 12)


with open("capture.pcapng", "wb") as file:
    file.write(block(0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
    file.write(block(1, pack("<HHI", 1, 0, 0) + pack("<HHqI", 14, 8, 1_700_000_000, 0)))
    file.write(block(6, pack("<5I", 0, 0, 250_000, len(FRAME), len(FRAME)) + FRAME))

with open("capture.pcapng", "rb") as file:
    print("dpkt", *(float(time) for time, _ in dpkt.pcapng.Reader(file)))
with cypcap.open_offline("capture.pcapng") as packets:
    print("libpcap", *(header.ts for header, _ in packets))
with open("capture.pcapng", "rb") as file:
    found = [item for item in pcapng.FileScanner(file) if isinstance(item, EnhancedPacket)]
    option = found[0].interface.options["if_tsoffset"]
    print("python-pcapng", *(float(item.timestamp) for item in found), "option", option)
with PcapNgReader("capture.pcapng") as packets:
    print("scapy", *(float(packet.time) for packet in packets))
PYTHON

cat >expected <<'END'
dpkt 1700000000.25
libpcap 1700000000.25
python-pcapng 0.25 option 1700000000
scapy 0.25
END
echo "dpkt 1.9.8, cypcap 0.6.3, python-pcapng 2.1.1, scapy 2.8.0, if_tsoffset 1700000000 and a time stamp of 250000 us:"
cat seen
diff expected seen || { echo "CHANGED: one of them behaves differently now"; exit 1; }
