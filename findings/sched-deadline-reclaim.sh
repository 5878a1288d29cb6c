#!/bin/sh
# Linux 6.18: SCHED_FLAG_RECLAIM gives a lone SCHED_DEADLINE thread a fraction of the core, not the unused rest.
#
# As sched_setattr(2) says, the flag lets a thread reclaim bandwidth that other real-time threads do not use. The only
# such thread could expect 95 % of a core, whatever its own bandwidth. But when ordinary programs want the core too, the
# kernel's fair server (50 ms of 1 s) is one more active reservation, and the rule (GRUB) divides unused bandwidth in
# proportion. With the bandwidth u = runtime / period on n CPUs the thread gets 0.95 u / (0.05 + u / n), at most 0.95,
# and less beside other deadline threads. Needs root.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/share.py" <<'END'
import ctypes
import os
import struct
import subprocess
import sys
import time

RECLAIM, PERIOD_NS = 2, 2_000_000
SYS_SCHED_SETATTR, SCHED_DEADLINE = 314, 6


def share(runtime_ns: int, flags: int) -> float:
    reader, writer = os.pipe()
    if os.fork() == 0:
        attributes = struct.pack("=IIQiIQQQ", 48, SCHED_DEADLINE, flags, 0, 0, runtime_ns, PERIOD_NS, PERIOD_NS)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(SYS_SCHED_SETATTR, 0, attributes, 0) != 0:
            sys.exit(f"sched_setattr: {os.strerror(ctypes.get_errno())}")
        begin, begin_cpu = time.monotonic(), time.process_time()
        while time.monotonic() < begin + 2:
            pass
        used = (time.process_time() - begin_cpu) / (time.monotonic() - begin)
        os.write(writer, struct.pack("d", used))
        os._exit(0)
    os.close(writer)
    return struct.unpack("d", os.read(reader, 8))[0]


cpus = len(os.sched_getaffinity(0))
busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * cpus)]
shares = {}
try:
    print("Linux", os.uname().release, "CPUs", cpus, "and", len(busy), "busy programs")
    for runtime_us in (20, 50, 100, 200, 500):
        u = runtime_us * 1000 / PERIOD_NS
        without, got = share(runtime_us * 1000, 0), share(runtime_us * 1000, RECLAIM)
        expected = min(0.95 * u / (0.05 + u / cpus), 0.95)
        print(f"{runtime_us} us of 2 ms: {without:.2f} of a core, with reclaim {got:.2f}, formula {expected:.2f}")
        shares[runtime_us] = got
finally:
    for program in busy:
        program.kill()
sys.exit(0 if shares[20] < 0.3 and shares[500] > 0.8 else "CHANGED: reclaim divides the core differently now")
END
python3 "$dir/share.py"
