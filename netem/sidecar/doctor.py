"""Try every facility that a sidecar uses, in its own namespace, and print a hint for each that is missing.

    python3 -m netem doctor   ->   one JSON document: engine, accuracy, checks

Only a trial shows what works: kernel versions and module lists do not. Each check removes what it creates.
"""

import os
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from netem.contract.errors import SidecarError
from netem.contract.limits import PORT
from netem.engines.choose import try_kernel
from netem.engines.user.devices import open_packet_socket, open_tap
from netem.engines.user.timer import DeadlineTimer
from netem.observe import host, tcpdump
from netem.observe.inet_diag import CONNECTED
from netem.observe.netlink import DestroyedSockets, SocketDiagnosis
from netem.system import scheduling, tc
from netem.system.process import run, spawn
from netem.system.scheduling import Scheduling, guard_in_python

_TAP = "doctor0"
_TIMER_ROUNDS = 100
_TIMER_STEP_NS = 1_000_000
_MAX_P99_LATENESS_NS = 1_000_000
_LISTEN_TIMEOUT_S = 5.0
_MAX_PRESSURE_PERCENT = 20.0
_MAX_STEAL_PERCENT = 5.0
"""Above this the timing of a cell is unreliable, too."""
_NETLINK_NETFILTER = 12
_NFQUEUE_CONFIG = (3 << 8) | 2  # NFNL_SUBSYS_QUEUE, NFQNL_MSG_CONFIG
_QUEUE_NUMBER = 4242


@dataclass(frozen=True, slots=True)
class Check:
    """One facility: whether it works, what was found, and a hint if it does not work."""

    name: str
    ok: bool
    fact: str
    hint: str = ""


def examine() -> dict[str, Any]:
    """Run all checks and return the document."""
    began = host.read(time.monotonic_ns())
    found, lateness_ns = _punctuality()
    checks = [_guarded(name, check) for name, check in _CHECKS.items()]
    checks.append(_scheduling(found))
    checks += [_steal(host.between(began, host.read(time.monotonic_ns()))), _clock(lateness_ns)]
    works = {check.name: check.ok for check in checks}
    user = all(works[name] for name in ("tap", "packet socket", "clsact"))
    return {
        "engine": "kernel" if works["netem"] else "user" if user else "none",
        "timer_lateness_ns": lateness_ns,
        "scheduling": found.obtained,
        "checks": [asdict(replace(check, hint="" if check.ok else check.hint)) for check in checks],
    }


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except SidecarError as error:
        return Check(name, ok=False, fact=f"{error.attempt}: {error.message}", hint=error.hint)
    except OSError as error:
        return Check(name, ok=False, fact=str(error))


def _netem() -> Check:
    refusal = try_kernel()
    if refusal:
        return Check("netem", ok=False, fact=refusal, hint=tc.hint_for(refusal))
    return Check("netem", ok=True, fact="a netem qdisc can be created")


def _tap() -> Check:
    os.close(open_tap(_TAP, super_packets=True))
    return Check("tap", ok=True, fact="a TAP with virtio headers and segmentation offload can be created")


def _packet_socket() -> Check:
    open_packet_socket("lo").close()
    return Check("packet socket", ok=True, fact="a packet socket can send frames past the qdisc")


def _clsact() -> Check:
    tap = open_tap(_TAP, super_packets=True)
    try:
        everything = f"filter add dev {_TAP} egress protocol all u32 match u32 0 0"
        tc.batch(
            "redirect an egress",
            [f"qdisc add dev {_TAP} clsact", f"{everything} action mirred egress redirect dev lo"],
        )
    finally:
        os.close(tap)
    return Check("clsact", ok=True, fact="egress traffic can be redirected (clsact, u32, mirred)")


def _nfqueue() -> Check:
    """Bind a queue: the testbed needs none, but other tools do."""
    command = struct.pack("=HH", 8, 1) + struct.pack("!BxH", 1, 0)  # NFQA_CFG_CMD: bind
    message = struct.pack("!BBH", 0, 0, _QUEUE_NUMBER) + command
    header = struct.pack("=IHHII", 16 + len(message), _NFQUEUE_CONFIG, 0x5, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as netlink:
        netlink.settimeout(1)
        netlink.send(header + message)
        code = -struct.unpack_from("=i", netlink.recv(4096), 16)[0]
    if code:
        return Check("nfqueue", ok=False, fact=os.strerror(code), hint="the testbed does not need it")
    return Check("nfqueue", ok=True, fact="NFQUEUE works (not required)")


def _ipv6() -> Check:
    addresses = [line.split() for line in Path("/proc/net/if_inet6").read_text().splitlines()]
    routed = [words for words in addresses if words[3] == "00" and words[5] != "lo"]
    if not routed:
        fact = "no interface has a routed IPv6 address"
        return Check("ipv6", ok=False, fact=fact, hint="enable IPv6 on the container's network")
    return Check("ipv6", ok=True, fact=f"{routed[0][5]} has an IPv6 address")


def _capture() -> Check:
    began = time.monotonic()
    argv = tcpdump.arguments("lo", "/dev/null", port=PORT, snaplen_bytes=128, inbound_only=False)
    child = spawn(argv)
    try:
        stderr = _read_until_listening(child.stderr, began + _LISTEN_TIMEOUT_S)
    finally:
        os.kill(child.pid, 2)
        os.waitpid(child.pid, 0)
        child.close()
    if not tcpdump.is_listening(stderr):
        return Check("capture", ok=False, fact=stderr.strip() or "tcpdump printed nothing", hint="add NET_RAW")
    return Check("capture", ok=True, fact=f"tcpdump captured after {(time.monotonic() - began) * 1e3:.0f} ms")


def _read_until_listening(fd: int, deadline: float) -> str:
    stderr = ""
    while not tcpdump.is_listening(stderr):
        readable, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(fd, 4096) if readable else b""
        if not chunk:
            break
        stderr += chunk.decode(errors="replace")
    return stderr


def _inet_diag() -> Check:
    diagnosis = SocketDiagnosis()
    DestroyedSockets().close()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        found = diagnosis.dump(CONNECTED)
    diagnosis.close()
    fields = max((len(each.info) for each in found), default=0)
    return Check("inet_diag", ok=fields > 0, fact=f"the kernel reports {fields} fields of a socket")


def _mirror_device() -> Check:
    """Create the device on which the kernel engine shows the egress to the capture, before netem."""
    for kind, named in (("dummy", "a dummy"), ("ifb", "an ifb")):
        if not run(["ip", "link", "add", _TAP, "type", kind]).status:
            run(["ip", "link", "del", _TAP])
            return Check("mirror device", ok=True, fact=f"{named} device can be created")
    hint = "modprobe dummy on the host; without it the capture of the kernel engine stamps frames after netem"
    return Check("mirror device", ok=False, fact="neither a dummy nor an ifb device can be created", hint=hint)


def _pressure() -> Check:
    """Read how busy the host is: other load affects the timing of a testbed."""
    words = Path("/proc/pressure/cpu").read_text().split()
    percent = float(words[1].partition("=")[2])
    fact = f"CPU pressure: tasks waited {percent:g} % of the last 10 s (PSI some avg10)"
    return Check("pressure", ok=percent < _MAX_PRESSURE_PERCENT, fact=fact, hint="stop other load on this host")


def _steal(facts: dict[str, Any]) -> Check:
    """Report the steal time during the checks: the time that the hypervisor gave to other machines."""
    if "steal_share" not in facts:
        return Check("steal", ok=True, fact="this kernel does not report steal time")
    percent = 100 * facts["steal_share"]
    fact = f"steal time is {percent:.1f} % of the processor time"
    return Check("steal", ok=percent < _MAX_STEAL_PERCENT, fact=fact, hint="use a machine with dedicated processors")


def _clock(lateness_ns: dict[str, int]) -> Check:
    fact = (
        f"resolution {time.clock_getres(time.CLOCK_MONOTONIC) * 1e9:.0f} ns; timers are late by "
        f"{lateness_ns['p50'] / 1e3:.0f} us (median), {lateness_ns['p99'] / 1e3:.0f} us (p99)"
    )
    hint = "stop other load on this host; emulated delays are late by as much"
    return Check("clock", ok=lateness_ns["p99"] < _MAX_P99_LATENESS_NS, fact=fact, hint=hint)


def timer_lateness_ns() -> dict[str, int]:
    """Measure how late a timer wakes this process: the delay of the user engine is late by at least as much."""
    timer = DeadlineTimer()
    poller = select.epoll()
    poller.register(timer.fd, select.EPOLLIN)
    late: list[int] = []
    for _ in range(_TIMER_ROUNDS):
        due_ns = time.monotonic_ns() + _TIMER_STEP_NS
        timer.arm(due_ns)
        poller.poll(1)
        late.append(time.monotonic_ns() - due_ns)
        timer.acknowledge()
    poller.close()
    os.close(timer.fd)
    late.sort()
    return {"p50": late[len(late) // 2], "p99": late[len(late) * 99 // 100], "max": late[-1]}


def _scheduling(found: Scheduling) -> Check:
    """Report the policy that a user engine would obtain."""
    return Check("scheduling", ok=found.realtime, fact=found.obtained, hint=scheduling.HINT)


def _punctuality() -> tuple[Scheduling, dict[str, int]]:
    """Obtain a policy as the user engine does, measure timers under it, and become ordinary again."""
    found = scheduling.obtain("auto", guard_in_python)
    lateness_ns = timer_lateness_ns()
    if found.realtime:
        scheduling.become_ordinary()
    return found, lateness_ns


_CHECKS: dict[str, Callable[[], Check]] = {
    "netem": _netem,
    "tap": _tap,
    "packet socket": _packet_socket,
    "clsact": _clsact,
    "mirror device": _mirror_device,
    "nfqueue": _nfqueue,
    "ipv6": _ipv6,
    "capture": _capture,
    "inet_diag": _inet_diag,
    "pressure": _pressure,
}
