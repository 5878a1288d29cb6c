#!/bin/sh
# pcap-file 2.0.0 and pcap-parser 0.16.0, the two pcapng crates: times and lengths that the file does not say.
#
# pcap-file  reads each time stamp as nanoseconds, whatever if_tsresol says. Without that option the unit is the
#            microsecond, so that an ordinary capture of 2023 is of January 1970, and 1 ms between packets is 1 us.
#            The obsolete Packet Block gives the upper half first; it is read as one number, so the halves are swapped.
# pcap-parser  knows no resolution in powers of two: its test whether one is too large includes the bit that marks them,
#            so ts_resolution() is None for 2^10 ticks a second (0x8a).
# Both       return the padding of a Simple Packet Block as data: 56 bytes of a frame of 54.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat >Cargo.toml <<'END'
[package]
name = "finding"
version = "0.1.0"
edition = "2021"
[dependencies]
pcap-file = "=2.0.0"
pcap-parser = "=0.16.0"
END
cat >src/main.rs <<'END'
use pcap_file::pcapng::{Block as Read, PcapNgReader};
use pcap_parser::{traits::PcapReaderIterator, Block as Parsed, PcapBlockOwned, PcapError, PcapNGReader};
use std::fs::File;

fn main() {
    let mut reader = PcapNgReader::new(File::open("capture.pcapng").unwrap()).unwrap();
    while let Some(block) = reader.next_block() {
        match block.unwrap() {
            Read::EnhancedPacket(packet) => println!("pcap-file: enhanced, {:?}", packet.timestamp),
            Read::Packet(packet) => println!("pcap-file: obsolete, {:#x} ticks", packet.timestamp),
            Read::SimplePacket(packet) => {
                println!("pcap-file: simple, {} of {}", packet.data.len(), packet.original_len)
            }
            _ => {}
        }
    }
    let mut reader = PcapNGReader::new(65536, File::open("capture.pcapng").unwrap()).unwrap();
    loop {
        match reader.next() {
            Ok((length, PcapBlockOwned::NG(block))) => {
                match block {
                    Parsed::InterfaceDescription(interface) => {
                        println!("pcap-parser: {:#x} is {:?}", interface.if_tsresol, interface.ts_resolution())
                    }
                    Parsed::SimplePacket(packet) => {
                        println!("pcap-parser: simple, {} of {}", packet.data.len(), packet.origlen)
                    }
                    _ => {}
                }
                reader.consume(length);
            }
            Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
            Err(PcapError::Eof) => break,
            _ => panic!(),
        }
    }
}
END
python3 - <<'PYTHON'
from struct import pack

FRAME = bytes.fromhex(
    "02000000000102000000000208004500002800014000400626cd0a0000010a000002"
    "9c4013880000000100000001501003e8e81f0000"
)


def block(kind, body):
    body += bytes(-len(body) % 4)
    return pack("<II", kind, len(body) + 12) + body + pack("<I", len(body) + 12)


MICRO = 1_700_000_000_000_000  # 0x60a24181e4000
HALVES = MICRO >> 32, MICRO & 0xFFFFFFFF
with open("capture.pcapng", "wb") as file:
    file.write(block(0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
    file.write(block(1, pack("<HHI", 1, 0, 65535)))
    file.write(block(1, pack("<HHI", 1, 0, 65535) + pack("<HHBxxxI", 9, 1, 0x80 | 10, 0)))
    file.write(block(6, pack("<5I", 0, *HALVES, len(FRAME), len(FRAME)) + FRAME))
    file.write(block(2, pack("<HH4I", 0, 0, *HALVES, len(FRAME), len(FRAME)) + FRAME))
    file.write(block(3, pack("<I", len(FRAME)) + FRAME))
PYTHON
cargo run -q -j1 >seen

cat >expected <<'END'
pcap-file: enhanced, 1700000s
pcap-file: obsolete, 0x181e400000060a24 ticks
pcap-file: simple, 56 of 54
pcap-parser: 0x6 is Some(1000000)
pcap-parser: 0x8a is None
pcap-parser: simple, 56 of 54
END
echo "pcap-file 2.0.0 and pcap-parser 0.16.0, packets at 1700000000 s, which are 0x60a24181e4000 us:"
cat seen
diff expected seen || { echo "CHANGED: one of them behaves differently now"; exit 1; }
