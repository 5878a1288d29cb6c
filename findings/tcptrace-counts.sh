#!/bin/sh
# tcptrace 6.6.7: more "rexmt data pkts" than data packets, and repeated segments where there are none.
#
# A connection that sends one segment of 100 bytes, once:
#   - repeated SYNs and FINs are counted as retransmitted data, of one byte each, though not as "actual data";
#   - "avg segm size" of this one segment is 99;
#   - "hardware dups" counts a segment that has the sequence number and the IP identification of the one before: a pure
#     ACK, then data. Since RFC 6864 a sender may give all packets with DF the same one. (tcptrace exempts 0.)
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download tcptrace=6.6.7-6+b1 libpcap0.8=1.10.3-1
for deb in *.deb; do dpkg-deb -x "$deb" root; done

python3 - <<'PYTHON'
from struct import pack, unpack

CLIENT, SERVER = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])


def checksum(data):
    total = sum(unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def frame(identification, from_client, seq, ack, flags, payload=b""):
    ends = CLIENT + SERVER if from_client else SERVER + CLIENT
    ports = (40000, 5000) if from_client else (5000, 40000)
    tcp = pack("!HHIIBBHHH", *ports, seq, ack, 0x50, flags, 1000, 0, 0) + payload
    tcp = tcp[:16] + pack("!H", checksum(ends + pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
    ip = pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), identification, 0x4000, 64, 6, 0) + ends
    ip = ip[:10] + pack("!H", checksum(ip)) + ip[12:]
    return bytes.fromhex("0200000000010200000000020800") + ip + tcp


SYN, FIN, ACK = 2, 1, 16
for name, again, same in ("once", 1, False), ("again", 2, False), ("same-identification", 1, True):
    exchange = (
        [(True, 1000, 0, SYN)] * again
        + [(False, 5000, 1001, SYN | ACK), (True, 1001, 5001, ACK)]
        + [(True, 1001, 5001, ACK, b"x" * 100), (False, 5001, 1101, ACK)]
        + [(True, 1101, 5001, FIN | ACK)] * again
        + [(False, 5001, 1102, FIN | ACK), (True, 1102, 5002, ACK)]
    )
    with open(f"{name}.pcap", "wb") as file:
        file.write(pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, fields in enumerate(exchange, 1):
            data = frame(7 if same else number, *fields)
            file.write(pack("<IIII", 1_700_000_000 + number, 0, len(data), len(data)) + data)
PYTHON
for name in once again same-identification; do
    LD_LIBRARY_PATH="$dir/root/usr/lib/x86_64-linux-gnu" root/usr/bin/tcptrace -ln "$name.pcap" 2>/dev/null |
      sed -nE 's/^ *((actual|rexmt) data pkts|rexmt data bytes|avg segm size|hardware dups): *([0-9]+) .*/\1 \3/p' |
      sed "s/^/$name: /"
done >seen

cat >expected <<'END'
once: actual data pkts 1
once: rexmt data pkts 0
once: rexmt data bytes 0
once: avg segm size 99
again: actual data pkts 1
again: rexmt data pkts 2
again: rexmt data bytes 2
again: avg segm size 99
same-identification: actual data pkts 1
same-identification: rexmt data pkts 0
same-identification: rexmt data bytes 0
same-identification: avg segm size 99
same-identification: hardware dups 1
END
echo "tcptrace 6.6.7 (Debian 6.6.7-6+b1), the client of a connection with one data segment:"
cat seen
diff expected seen || { echo "CHANGED: tcptrace behaves differently now"; exit 1; }
