"""A device that does not segment super-packets: the engine asks for none, and one that comes blocks no other frame."""

import json

from tests.support.sidecar import START_S, Bed

# A veth pair in a namespace of its own; the data path reads from a socket pair in place of a TAP.
PROGRAM = """
import ctypes, fcntl, json, os, socket, struct, subprocess
from netem.engines.user.datapath import DataPath
from netem.pipeline import Pipeline
from netem.spec import parse
from netem.engines.user.devices import can_segment, interface_statistic, open_packet_socket

subprocess.run(["ip", "link", "add", "near", "type", "veth", "peer", "name", "far"], check=True)
for name in ("near", "far"):
    subprocess.run(["ip", "link", "set", name, "addrgenmode", "none", "up"], check=True)
before = can_segment("near")
request = ctypes.create_string_buffer(struct.pack("=II", 0x1F, 0))  # ETHTOOL_STSO: off
with socket.socket() as control:
    fcntl.ioctl(control, 0x8946, struct.pack("@16sP16x", b"near", ctypes.addressof(request)))  # SIOCETHTOOL
after = can_segment("near")

ethernet = bytes.fromhex("02000000000202000000000108") + bytes(1)
def ipv4(payload):
    length = 20 + 20 + len(payload)
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 1, 0, 64, 6, 0, bytes(4), bytes(4)) + \\
        struct.pack("!HHIIBBHHH", 1, 2, 3, 4, 0x50, 0x10, 100, 0, 0) + payload
plain = bytes(10) + ethernet + ipv4(bytes(100))
big = struct.pack("=BBHHHH", 1, 1, 54, 1448, 34, 16) + ethernet + ipv4(bytes(6000))  # VIRTIO_NET_HDR_GSO_TCPV4

out = open_packet_socket("near")
pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(3)]
for _, reading in pairs:
    reading.setblocking(False)
(tap, _), _, (control, _) = pairs
path = DataPath((pairs[0][1].fileno(), pairs[1][1].fileno()), out.fileno(), pairs[2][1].fileno())
path.load(0, Pipeline(parse("delay 1us"), frame_start=10))
for frame in (plain, big, plain):
    tap.send(frame)
control.send(b"stop")
path.run()
print(json.dumps([before, after, path.tx_rejected, interface_statistic("far", "rx_packets")]))
"""


def test_a_super_packet_that_cannot_be_segmented_is_rejected_and_the_next_frame_leaves(made: Bed) -> None:
    holder = made.sidecar("alone")
    program = made.program(holder, ["python3", "-c", PROGRAM], capabilities=("NET_ADMIN", "NET_RAW"))
    assert program.wait(timeout=START_S)["StatusCode"] == 0, program.logs().decode()
    assert json.loads(program.logs()) == [True, False, 1, 2]
