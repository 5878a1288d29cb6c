#!/bin/sh
# pypcapkit 1.4.1.post2: the records of a big-endian pcap file are read as little-endian.
#
# The header's byte order is recognised, and shown in `magic_number`, but each record's header is then unpacked
# little-endian. The first frame gets a captured length of 905969664 bytes instead of 54 and swallows all others,
# and its time is of July 1970. No error is raised, and the layers up to TCP look right, since a frame begins there.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q --disable-pip-version-check install pypcapkit==1.4.1.post2
cd "$dir"

venv/bin/python -W ignore - >seen 2>messages <<'PYTHON'
from struct import pack

import pcapkit

FRAME = bytes.fromhex(
    "02000000000102000000000208004500002800014000400626cd0a0000010a000002"
    "9c4013880000000100000001501003e8e81f0000"
)
for order, name in ("<", "little"), (">", "big"):
    with open(f"{name}.pcap", "wb") as file:
        file.write(pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for second in range(3):
            file.write(pack(order + "IIII", 1_700_000_000 + second, 0, len(FRAME), len(FRAME)) + FRAME)
    capture = pcapkit.extract(fin=f"{name}.pcap", nofile=True, store=True)
    first = capture.frame[0]
    length, seconds = first.info.len, int(first.info.time_epoch)
    print(f"{name}-endian: {len(capture.frame)} frames, the first of {length} bytes at {seconds}")
    print(" ", *str(first.protochain).split(":")[:3])
PYTHON

cat >expected <<'END'
little-endian: 3 frames, the first of 54 bytes at 1700000000
  Ethernet IPv4 TCP
big-endian: 1 frames, the first of 905969664 bytes at 15815525
  Ethernet IPv4 TCP
END
echo "pypcapkit 1.4.1.post2, the same three frames in both byte orders:"
cat seen
diff expected seen || { echo "CHANGED: pypcapkit behaves differently now"; cat messages; exit 1; }
