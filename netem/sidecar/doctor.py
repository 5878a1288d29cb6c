"""Try every facility that a sidecar uses, in its own namespace, and say for each what to do when it is missing.

    python3 -m netem doctor   ->   one JSON document: engine, accuracy, checks

Trying is the only test: kernel versions and module lists say too little. Everything that is made is removed again.
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
from netem.system import tc
from netem.system.process import run, spawn

_TAP = "doctor0"
_TIMER_ROUNDS = 100
_TIMER_STEP_NS = 1_000_000
_LATE_P99_NS = 1_000_000
_LISTEN_TIMEOUT_S = 5.0
_BUSY_PERCENT = 20.0
_STOLEN_PERCENT = 5.0
"""From here on a cell is tainted, too."""
_NETLINK_NETFILTER = 12
_NFQUEUE_CONFIG = (3 << 8) | 2  # NFNL_SUBSYS_QUEUE, NFQNL_MSG_CONFIG
_QUEUE_NUMBER = 4242


@dataclass(frozen=True, slots=True)
class Check:
    """One facility: whether it works, what was seen, what to do about it."""

    name: str
    ok: bool
    fact: str
    hint: str = ""


def examine() -> dict[str, Any]:
    """Try everything and return the document."""
    began = host.read(time.monotonic_ns())
    lateness_ns = timer_lateness_ns()
    checks = [_guarded(name, check) for name, check in _CHECKS.items()]
    checks += [_steal(host.between(began, host.read(time.monotonic_ns()))), _clock(lateness_ns)]
    works = {check.name: check.ok for check in checks}
    user = all(works[name] for name in ("tap", "packet socket", "clsact"))
    return {
        "engine": "kernel" if works["netem"] else "user" if user else "none",
        "timer_lateness_ns": lateness_ns,
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
    return Check("netem", ok=True, fact="a netem qdisc can be made")


def _tap() -> Check:
    os.close(open_tap(_TAP, super_packets=True))
    return Check("tap", ok=True, fact="a TAP with virtio headers and segmentation offload can be made")


def _packet_socket() -> Check:
    open_packet_socket("lo").close()
    return Check("packet socket", ok=True, fact="frames can be sent past the queueing discipline")


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
    return Check("clsact", ok=True, fact="an egress can be redirected (clsact, u32, mirred)")


def _nfqueue() -> Check:
    """Bind a queue: not used by an engine, told because other tools need it."""
    command = struct.pack("=HH", 8, 1) + struct.pack("!BxH", 1, 0)  # NFQA_CFG_CMD: bind
    message = struct.pack("!BBH", 0, 0, _QUEUE_NUMBER) + command
    header = struct.pack("=IHHII", 16 + len(message), _NFQUEUE_CONFIG, 0x5, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as requested:
        requested.settimeout(1)
        requested.send(header + message)
        code = -struct.unpack_from("=i", requested.recv(4096), 16)[0]
    if code:
        return Check("nfqueue", ok=False, fact=os.strerror(code), hint="no engine needs it")
    return Check("nfqueue", ok=True, fact="a queue can be bound; no engine needs it")


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
        said = _listen_to(child.stderr, began + _LISTEN_TIMEOUT_S)
    finally:
        os.kill(child.pid, 2)
        os.waitpid(child.pid, 0)
        child.close()
    if not tcpdump.is_listening(said):
        return Check("capture", ok=False, fact=said.strip() or "tcpdump said nothing", hint="add NET_RAW")
    return Check("capture", ok=True, fact=f"tcpdump listens after {(time.monotonic() - began) * 1e3:.0f} ms")


def _listen_to(fd: int, deadline: float) -> str:
    said = ""
    while not tcpdump.is_listening(said):
        readable, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(fd, 4096) if readable else b""
        if not chunk:
            break
        said += chunk.decode(errors="replace")
    return said


def _inet_diag() -> Check:
    diagnosis = SocketDiagnosis()
    DestroyedSockets().close()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        found = diagnosis.dump(CONNECTED)
    diagnosis.close()
    fields = max((len(each.info) for each in found), default=0)
    return Check("inet_diag", ok=fields > 0, fact=f"the kernel tells {fields} fields of a socket")


def _helper() -> Check:
    """Try the device that shows an egress before the kernel's netem; only the kernel engine wants one."""
    for kind in ("dummy", "ifb"):
        if not run(["ip", "link", "add", _TAP, "type", kind]).status:
            run(["ip", "link", "del", _TAP])
            return Check("mirror device", ok=True, fact=f"{kind} can be made")
    hint = "modprobe dummy on the host; with the kernel engine the capture then stamps frames after netem"
    return Check("mirror device", ok=False, fact="neither dummy nor ifb can be made", hint=hint)


def _pressure() -> Check:
    """Tell how busy the host is: what runs beside a testbed decides its timing."""
    words = Path("/proc/pressure/cpu").read_text().split()
    percent = float(words[1].partition("=")[2])
    fact = f"processes waited for a processor {percent:g} % of the last 10 s"
    return Check("pressure", ok=percent < _BUSY_PERCENT, fact=fact, hint="let nothing else run on this host")


def _steal(facts: dict[str, Any]) -> Check:
    """Tell what other machines on the same hardware took while everything here was tried."""
    if "steal_share" not in facts:
        return Check("steal", ok=True, fact="this kernel does not tell")
    percent = 100 * facts["steal_share"]
    fact = f"other machines had the processors for {percent:.1f} % of the time"
    return Check("steal", ok=percent < _STOLEN_PERCENT, fact=fact, hint="run on a machine of your own")


def _clock(lateness_ns: dict[str, int]) -> Check:
    fact = (
        f"steps of {time.clock_getres(time.CLOCK_MONOTONIC) * 1e9:.0f} ns; timers are late by "
        f"{lateness_ns['p50'] / 1e3:.0f} us in the median, {lateness_ns['p99'] / 1e3:.0f} us at p99"
    )
    hint = "let nothing else run on this host; delays will be late by as much"
    return Check("clock", ok=lateness_ns["p99"] < _LATE_P99_NS, fact=fact, hint=hint)


def timer_lateness_ns() -> dict[str, int]:
    """Measure how late a timer wakes this process: what the delay of the user engine is late by, at least."""
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


_CHECKS: dict[str, Callable[[], Check]] = {
    "netem": _netem,
    "tap": _tap,
    "packet socket": _packet_socket,
    "clsact": _clsact,
    "mirror device": _helper,
    "nfqueue": _nfqueue,
    "ipv6": _ipv6,
    "capture": _capture,
    "inet_diag": _inet_diag,
    "pressure": _pressure,
}
