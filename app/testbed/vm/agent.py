"""The guest's end: give the host the guest's Docker engine, and tell when it is up. Runs in the guest, as root.

Standard library only. The host speaks first; it is answered with `ready` and the guest's facts, once dockerd answers.
"""

import fcntl
import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from testbed.vm.mux import Event, Kind, MuxError
from testbed.vm.pump import PortClosedError, Pump

DOCKER_SOCKET: Final = "/run/docker.sock"
DOCKER_LOG: Final = Path("/run/dockerd.log")
PORT_NAME: Final = "testbed"
_PORTS: Final = Path("/sys/class/virtio-ports")
_SYSCTLS: Final = Path("/proc/sys")
_POLL_S: Final = 0.1
_RNDRESEEDCRNG: Final = 0x5207  # include/uapi/linux/random.h, random(4)


def find_port(ports: Path = _PORTS) -> Path | None:
    """Return the device of the port that the host named, or None while there is none."""
    for entry in sorted(ports.glob("*/name")):
        if entry.read_text().strip() == PORT_NAME:
            return Path("/dev") / entry.parent.name
    return None


def ping_docker() -> str:
    """Return the version of the Docker engine; raises OSError while it does not answer."""
    connection = http.client.HTTPConnection("localhost", timeout=5)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(DOCKER_SOCKET)
        connection.sock = sock
        connection.request("GET", "/_ping")
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            raise ConnectionError(f"docker answers {answer.status}")
        return answer.headers.get("Server", "")


def read_facts(engine: str) -> dict[str, Any]:
    """Return what the host wants to know of this guest."""
    uname = os.uname()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "event": "ready",
        "kernel": uname.release,
        "kernel_version": uname.version,
        "engine": engine,
        "cpus": os.cpu_count(),
        "memory_bytes": pages,
        "uptime_s": time.clock_gettime(time.CLOCK_BOOTTIME),
    }


class Agent:
    """Answer one host."""

    def __init__(self, port_fd: int) -> None:
        self._pump = Pump(port_fd, self._on_event)
        self._greeted = False
        self._engine = ""
        self._refusal = ""

    def run(self) -> None:
        """Serve until the host has gone."""
        while True:
            self._pump.step(_POLL_S if self._greeted and not self._engine else 10)
            if self._greeted and not self._engine:
                self._look_for_docker()

    def _look_for_docker(self) -> None:
        with suppress(OSError, http.client.HTTPException):
            self._engine = ping_docker()
            self._pump.mux.message(read_facts(self._engine))

    def _on_event(self, event: Event) -> None:
        if event.kind is Kind.HELLO:
            self._greeted, self._engine = True, ""
        elif event.kind is Kind.OPEN:
            self._connect(event.channel)
        elif event.kind is Kind.MESSAGE:
            self._pump.mux.message(carry_out(event.message))

    def _connect(self, channel: int) -> None:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(DOCKER_SOCKET)
        except OSError:
            sock.close()
            self._pump.mux.reset(channel)
            return
        self._pump.attach(channel, sock)


def carry_out(message: dict[str, Any]) -> dict[str, Any]:
    """Do what the host asks for outside of Docker and return the answer."""
    verb = message.get("do")
    if verb == "wake":
        wake(int(message["realtime_ns"]), bytes.fromhex(message["entropy"]))
    elif verb == "ping":
        pass
    elif verb == "flush":
        os.sync()
    elif verb == "sysctls":
        return {"event": "done", "do": verb, "sysctls": read_sysctls([str(name) for name in message["names"]])}
    elif verb == "log":
        return {"event": "done", "do": verb, "text": DOCKER_LOG.read_text(errors="replace")[-4000:]}
    elif verb == "poweroff":
        power_off()
    else:
        return {"event": "refused", "do": verb}
    return {"event": "done", "do": verb}


def read_sysctls(names: Iterable[str], root: Path = _SYSCTLS) -> dict[str, str]:
    """Return the sysctls of these paths that can be read, by their dotted names."""
    found = {}
    for name in names:
        with suppress(OSError):
            found[name.replace("/", ".")] = (root / name).read_text().strip().replace("\t", " ")
    return found


def wake(realtime_ns: int, entropy: bytes) -> None:
    """Set the clock, and make the random numbers differ from those of other guests with the same stored past."""
    time.clock_settime_ns(time.CLOCK_REALTIME, realtime_ns)
    with Path("/dev/urandom").open("wb") as device:
        device.write(entropy)
        device.flush()
        fcntl.ioctl(device, _RNDRESEEDCRNG)


def power_off() -> None:
    """Stop Docker, make the disk clean, switch the machine off."""
    pid_file = Path("/run/docker.pid")
    if pid_file.exists():
        subprocess.run(["kill", pid_file.read_text().strip()], check=False)
        deadline_s = time.monotonic() + 20
        while pid_file.exists() and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
    os.sync()
    for word in "sub":  # sync, remount read-only, then reset: with -no-reboot that ends the machine
        Path("/proc/sysrq-trigger").write_text(word)
        time.sleep(0.5 if word == "u" else 0)


def main() -> None:
    """Serve one host after another, for ever."""
    while True:
        device = find_port()
        if device is not None:
            port_fd = os.open(device, os.O_RDWR | os.O_NONBLOCK)
            with suppress(PortClosedError, MuxError):
                Agent(port_fd).run()
            os.close(port_fd)
        time.sleep(_POLL_S)


if __name__ == "__main__":
    main()
