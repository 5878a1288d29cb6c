"""The programs that the benchmarks of the link run in containers, as text for `python3 -c`."""

from typing import Final

# The kernel stamps both ends: SCM_TIMESTAMPNS when a datagram arrives, SOF_TIMESTAMPING_TX_SCHED when it is handed to
# the first queue. The scheduling of these two programs is therefore not part of the result.
SINK: Final = """
import json, socket, struct, sys
count = int(sys.argv[1])
sink = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sink.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
sink.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
sink.bind(("::", 9000))
print("bound", flush=True)
sink.settimeout(60)  # a busy machine takes its time to start the one that sends
arrived = []
try:
    while len(arrived) < count:
        data, ancillary, _, _ = sink.recvmsg(2048, 64)
        sink.settimeout(5)
        seconds, nanoseconds = struct.unpack("@qq", ancillary[0][2][:16])
        arrived.append((*struct.unpack_from("!BI", data), seconds * 10**9 + nanoseconds))
except TimeoutError:
    pass
print(json.dumps(arrived))
"""

SOURCE: Final = """
import json, socket, struct, sys, time
host, count, gap_ns = sys.argv[1], int(sys.argv[2]), 10**9 // int(sys.argv[3])
TX_SCHED, SOFTWARE, OPT_ID, OPT_TSONLY = 1 << 8, 1 << 4, 1 << 7, 1 << 11
STAMPS, ERRORS = (socket.SOL_SOCKET, 37), ((socket.IPPROTO_IP, 11), (socket.IPPROTO_IPV6, 25))
sources, stamps = {}, {}
for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
    sources[version] = source = socket.socket(family, socket.SOCK_DGRAM)
    source.setsockopt(*STAMPS, TX_SCHED | SOFTWARE | OPT_ID | OPT_TSONLY)
    source.connect(socket.getaddrinfo(host, 9000, family, socket.SOCK_DGRAM)[0][4])
def drain(version):
    while True:
        try:
            ancillary = sources[version].recvmsg(0, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)[1]
        except BlockingIOError:
            return
        stamp_ns = number = None
        for level, kind, value in ancillary:
            if (level, kind) == STAMPS:
                seconds, nanoseconds = struct.unpack("@qq", value[:16])
                stamp_ns = seconds * 10**9 + nanoseconds
            elif (level, kind) in ERRORS:
                number = struct.unpack("@IBBBBII", value[:16])[6]
        if number is not None:
            stamps[version, number] = stamp_ns
due_ns = time.monotonic_ns()
for number in range(count):
    due_ns += gap_ns
    time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
    for version, source in sources.items():
        source.send(struct.pack("!BI", version, number) + bytes(95))
        drain(version)
end = time.monotonic() + 5
while len(stamps) < 2 * count and time.monotonic() < end:
    time.sleep(0.01)
    for version in sources:
        drain(version)
print(json.dumps([(version, number, stamp_ns) for (version, number), stamp_ns in stamps.items()]))
"""

FLOOD: Final = """
import socket, sys, time
host, size, end = sys.argv[1], int(sys.argv[2]), time.monotonic() + float(sys.argv[3])
source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
source.connect(socket.getaddrinfo(host, 9001, socket.AF_INET, socket.SOCK_DGRAM)[0][4])
source.setsockopt(socket.IPPROTO_UDP, 103, size)  # UDP_SEGMENT
datagrams = bytes(size * min(64, 65000 // size))
while time.monotonic() < end:
    try:
        source.send(datagrams)
    except OSError:
        pass  # refused until the other end is bound, or no buffer
"""
"""Lets the kernel split one buffer into datagrams: one call for each would make this program the bottleneck.

A TAP announces no segmentation of UDP, so that the engine gets the datagrams one by one.
"""

COUNT: Final = """
import json, socket, sys, time
seconds = float(sys.argv[1])
sink = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sink.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # nothing reads: to drop them here costs least
sink.bind(("::", 9001))
print("bound", flush=True)
def received():
    lines = open("/proc/net/dev").read().splitlines()
    values = next(line.partition(":")[2].split() for line in lines if line.strip().startswith("eth0:"))
    return time.monotonic(), int(values[1]), int(values[0])
sink.settimeout(60)
sink.recv(1)
time.sleep(0.5)
before = received()
time.sleep(seconds)
after = received()
elapsed_s, packets, bytes_ = (b - a for a, b in zip(before, after))
print(json.dumps({"packets_per_s": packets / elapsed_s, "bits_per_s": bytes_ * 8 / elapsed_s}))
"""

CPU_TICKS: Final = """
import json, os
user = system = 0
for process in filter(str.isdecimal, os.listdir("/proc")):
    if int(process) != os.getpid():
        fields = open(f"/proc/{process}/stat").read().rpartition(")")[2].split()
        user, system = user + int(fields[11]), system + int(fields[12])
print(json.dumps({"user": user, "system": system, "per_s": os.sysconf("SC_CLK_TCK")}))
"""

BUSY: Final = "while True: pass"
