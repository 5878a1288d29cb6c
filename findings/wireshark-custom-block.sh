#!/bin/sh
# Wireshark 4.0.17 (Debian 12): a Custom Block of pcapng is frame 1 for tshark, and no packet for capinfos.
#
# The block carries a vendor's notes between the packets. tshark gives it a frame number, a length of 8 bytes and no
# time, so that the number of each packet behind it is one more than in tcpdump, scapy and dpkt: what is found by
# frame.number is wrong by one for each such block. capinfos of the same release does not count it, and editcap refuses
# to write the file as pcap, although all of its packets fit. A block of an unknown type is skipped by all.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q --disable-pip-version-check install scapy==2.8.0 dpkt==1.9.8
cd "$dir"
release=4.0.17-0+deb12u3
apt-get -qq -o APT::Sandbox::User=root download tshark=$release wireshark-common=$release libwireshark16=$release \
    libwireshark-data=$release libwiretap13=$release libwsutil14=$release libglib2.0-0=2.74.6-2+deb12u9 \
    libpcap0.8=1.10.3-1 libc-ares2=1.18.1-3 liblua5.2-0=5.2.4-3 libnghttp2-14=1.52.0-1+deb12u3 \
    libsmi2ldbl=0.4.8+dfsg2-16 libsnappy1v5=1.1.9-3 tcpdump=4.99.3-1
for deb in *.deb; do dpkg-deb -x "$deb" root; done

venv/bin/python - >seen <<'PYTHON'
from struct import pack

import dpkt
from scapy.all import PcapNgReader

FRAME = bytes.fromhex(
    "02000000000102000000000208004500002800014000400626cd0a0000010a000002"
    "9c4013880000000100000001501003e8e81f0000"
)


def block(kind, body):
    body += bytes(-len(body) % 4)
    return pack("<II", kind, len(body) + 12) + body + pack("<I", len(body) + 12)


SECTION = block(0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(1, pack("<HHI", 1, 0, 0))
PACKET = block(6, pack("<5I", 0, 0, 0, len(FRAME), len(FRAME)) + FRAME)
NUMBER_FOR_EXAMPLES = 32473
for name, between in (
    ("custom", block(0xBAD, pack("<I", NUMBER_FOR_EXAMPLES) + b"our note")),
    ("unknown", block(0x40000001, b"our note")),
):
    with open(f"{name}.pcapng", "wb") as file:
        file.write(SECTION + between + PACKET)
    with open(f"{name}.pcapng", "rb") as file:
        found = len(list(dpkt.pcapng.Reader(file)))
    with PcapNgReader(f"{name}.pcapng") as packets:
        print(f"{name}: dpkt {found}, scapy {len(list(packets))}")
PYTHON
export LD_LIBRARY_PATH="$dir/root/usr/lib/x86_64-linux-gnu"
for name in custom unknown; do
    tshark=$(root/usr/bin/tshark -r $name.pcapng -T fields -e frame.number -e frame.len 2>/dev/null | tr '\t' / | xargs)
    capinfos=$(root/usr/bin/capinfos -M -c $name.pcapng | sed -n 's/^Number of packets: *//p')
    tcpdump=$(root/usr/bin/tcpdump -Z root -nr $name.pcapng 2>/dev/null | wc -l)
    echo "$name: tcpdump $tcpdump, capinfos $capinfos, tshark number/bytes $tshark"
    root/usr/bin/editcap -F pcap $name.pcapng $name.pcap 2>/dev/null && echo "$name: written as pcap"
done >>seen || true
unset LD_LIBRARY_PATH

cat >expected <<'END'
custom: dpkt 1, scapy 1
unknown: dpkt 1, scapy 1
custom: tcpdump 1, capinfos 1, tshark number/bytes 1/8 2/54
unknown: tcpdump 1, capinfos 1, tshark number/bytes 1/54
unknown: written as pcap
END
echo "dpkt 1.9.8, scapy 2.8.0, tcpdump 4.99.3, Wireshark 4.0.17, one packet behind a block that is none:"
cat seen
diff expected seen || { echo "CHANGED: one of them behaves differently now"; exit 1; }
