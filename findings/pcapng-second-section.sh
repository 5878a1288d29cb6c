#!/bin/sh
# scapy 2.8.0, dpkt 1.9.8 and libpcap 1.10.3 (in tcpdump 4.99.3): three ways to lose a pcapng file's second section.
#
# Sections may simply be appended to each other (`cat`), each with its own byte order and its own list of interfaces
# that starts at 0 again. Here the second section has one packet of link type 101 (raw IP), half a second later.
#   scapy    forgets no interface: number 0 is still the first section's, so a raw IP packet is dissected as Ethernet
#   dpkt     ends without an error before a section of the other byte order; in its own byte order it yields both
#   libpcap  reads the other byte order's section length without swapping it: "block size 469762048" for 28 bytes
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q --disable-pip-version-check install scapy==2.8.0 dpkt==1.9.8
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download tcpdump=4.99.3-1 libpcap0.8=1.10.3-1
for deb in *.deb; do dpkg-deb -x "$deb" root; done

venv/bin/python - >seen <<'PYTHON'
import subprocess
from struct import pack

import dpkt
from scapy.all import PcapNgReader

FRAME = bytes.fromhex(
    "02000000000102000000000208004500002800014000400626cd0a0000010a000002"
    "9c4013880000000100000001501003e8e81f0000"
)


def section(order, link_type, frame, ticks):
    def block(kind, body):
        body += bytes(-len(body) % 4)
        return pack(order + "II", kind, len(body) + 12) + body + pack(order + "I", len(body) + 12)

    return (
        block(0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
        + block(1, pack(order + "HHI", link_type, 0, 0))
        + block(6, pack(order + "5I", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)) + frame)
    )


START = 1_700_000_000_000_000
first = section("<", 1, FRAME, START)
with open("other-link-type.pcapng", "wb") as file:
    file.write(first + section("<", 101, FRAME[14:], START + 500_000))
with open("other-byte-order.pcapng", "wb") as file:
    file.write(first + section(">", 1, FRAME, START + 500_000))

with PcapNgReader("other-link-type.pcapng") as packets:
    print("scapy, other link type:", [(packet.name, len(packet.original)) for packet in packets])
for name in "other-link-type", "other-byte-order":
    with open(name + ".pcapng", "rb") as file:
        print(f"dpkt, {name}:", [float(time) for time, _ in dpkt.pcapng.Reader(file)])
run = subprocess.run(
    ["root/usr/bin/tcpdump", "-Z", "root", "-ttnr", "other-byte-order.pcapng"],
    env={"LD_LIBRARY_PATH": "root/usr/lib/x86_64-linux-gnu"},
    capture_output=True,
    text=True,
)
print("tcpdump, other byte order: packets", len(run.stdout.splitlines()), "exit status", run.returncode)
print(run.stderr.splitlines()[-1])
PYTHON

cat >expected <<'END'
scapy, other link type: [('Ethernet', 54), ('Ethernet', 40)]
dpkt, other-link-type: [1700000000.0, 1700000000.5]
dpkt, other-byte-order: [1700000000.0]
tcpdump, other byte order: packets 1 exit status 1
tcpdump: pcap_loop: pcapng block size 469762048 > maximum 16777216
END
echo "scapy 2.8.0, dpkt 1.9.8, tcpdump 4.99.3 with libpcap 1.10.3, a pcapng file of two sections with a packet each:"
cat seen
diff expected seen || { echo "CHANGED: one of them behaves differently now"; exit 1; }
