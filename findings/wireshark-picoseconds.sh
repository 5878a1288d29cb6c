#!/bin/sh
# Wireshark 4.0.17 (Debian 12): wrong times in a pcapng file that counts picoseconds (if_tsresol 12).
#
# The fraction of a second is multiplied by 10^9 and divided by the resolution, in 64 bits. With 10^12 ticks a second
# the product overflows after 18.4 ms: from there on the fraction starts again at 0, about 54 times a second, and a
# packet that is 2 ms later than another can seem 16 ms earlier. capinfos shows it here, and editcap writes the wrong
# time into a new file. tcpdump with libpcap 1.10.3 reads the same file correctly.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download tcpdump=4.99.3-1 libpcap0.8=1.10.3-1 libglib2.0-0=2.74.6-2+deb12u9 \
    wireshark-common=4.0.17-0+deb12u3 libwiretap13=4.0.17-0+deb12u3 libwsutil14=4.0.17-0+deb12u3
for deb in *.deb; do dpkg-deb -x "$deb" root; done

python3 - <<'PYTHON'
from struct import pack

FRAME = bytes.fromhex(
    "02000000000102000000000208004500002800014000400626cd0a0000010a000002"
    "9c4013880000000100000001501003e8e81f0000"
)


def block(kind, body):
    body += bytes(-len(body) % 4)
    return pack("<II", kind, len(body) + 12) + body + pack("<I", len(body) + 12)


for milliseconds in 18, 20, 250:
    ticks = 5 * 10**12 + milliseconds * 10**9
    with open(f"{milliseconds}.pcapng", "wb") as file:
        file.write(block(0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        file.write(block(1, pack("<HHI", 1, 0, 0) + pack("<HHBxxxI", 9, 1, 12, 0)))
        file.write(block(6, pack("<5I", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(FRAME), len(FRAME)) + FRAME))
PYTHON

export LD_LIBRARY_PATH="$dir/root/usr/lib/x86_64-linux-gnu"
for file in 18 20 250; do
    shown=$(root/usr/bin/capinfos -M -S -a "$file.pcapng" | sed -n 's/^First packet time: *//p')
    libpcap=$(root/usr/bin/tcpdump -Z root --nano -ttnr "$file.pcapng" 2>/dev/null | cut -d' ' -f1)
    echo "5 s + $file ms: capinfos $shown, tcpdump $libpcap"
done >seen
root/usr/bin/editcap -F nsecpcap 250.pcapng copy.pcap
copied=$(root/usr/bin/tcpdump -Z root --nano -ttnr copy.pcap 2>/dev/null | cut -d' ' -f1)
echo "editcap's copy of the last one: $copied" >>seen
unset LD_LIBRARY_PATH

cat >expected <<'END'
5 s + 18 ms: capinfos 5.018000000, tcpdump 5.018000000
5 s + 20 ms: capinfos 5.001553255, tcpdump 5.020000000
5 s + 250 ms: capinfos 5.010192327, tcpdump 5.250000000
editcap's copy of the last one: 5.010192327
END
echo "capinfos and editcap 4.0.17, tcpdump 4.99.3 with libpcap 1.10.3, time stamps in picoseconds:"
cat seen
diff expected seen || { echo "CHANGED: one of them behaves differently now"; exit 1; }
