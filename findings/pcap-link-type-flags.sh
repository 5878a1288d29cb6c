#!/bin/sh
# scapy 2.8.0, dpkt 1.9.8 and pypcapkit 1.4.1.post2: the link type of pcap is taken from all 32 bits of its field.
#
# Only the lower 16 bits are the link type. The upper ones say whether frames end with a frame check sequence, and of
# how many bytes: 0x24000001 is Ethernet with 4. These readers take that for the unknown link type 603979777, so that
# each packet is undissected bytes; dpkt's datalink() matches none of its constants. libpcap (in tcpdump 4.99.3) masks
# the bits.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q --disable-pip-version-check install scapy==2.8.0 dpkt==1.9.8 pypcapkit==1.4.1.post2
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download tcpdump=4.99.3-1 libpcap0.8=1.10.3-1
for deb in *.deb; do dpkg-deb -x "$deb" root; done

venv/bin/python -W ignore - >seen 2>messages <<'PYTHON'
import binascii
from struct import pack

import dpkt
import pcapkit
from scapy.all import PcapReader

FRAME = bytes.fromhex(
    "02000000000102000000000208004500002800014000400626cd0a0000010a000002"
    "9c4013880000000100000001501003e8e81f0000"
)
FRAME += bytes(6)  # the padding of a minimal frame
FRAME += pack("<I", binascii.crc32(FRAME))
with open("capture.pcap", "wb") as file:
    file.write(pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 4 // 2 << 28 | 1 << 26 | 1))
    file.write(pack("<IIII", 1_700_000_000, 0, len(FRAME), len(FRAME)) + FRAME)

with PcapReader("capture.pcap") as packets:
    print("scapy:", *(packet.name for packet in packets))
with open("capture.pcap", "rb") as file:
    link_type = dpkt.pcap.Reader(file).datalink()
    print("dpkt:", link_type, link_type == dpkt.pcap.DLT_EN10MB)
print("pypcapkit:", *(frame.protochain for frame in pcapkit.extract(fin="capture.pcap", nofile=True, store=True).frame))
PYTHON
LD_LIBRARY_PATH="$dir/root/usr/lib/x86_64-linux-gnu" root/usr/bin/tcpdump -Z root -ttnr capture.pcap 2>/dev/null |
    sed 's/,.*//; s/^/tcpdump: /' >>seen

cat >expected <<'END'
scapy: Raw
dpkt: 603979777 False
pypcapkit: Unassigned_603979777
tcpdump: 1700000000.000000 IP 10.0.0.1.40000 > 10.0.0.2.5000: Flags [.]
END
echo "scapy 2.8.0, dpkt 1.9.8, pypcapkit 1.4.1.post2, tcpdump 4.99.3, Ethernet with 4 bytes of frame check sequence:"
cat seen
diff expected seen || { echo "CHANGED: one of them behaves differently now"; cat messages; exit 1; }
