"""The agent in the guest: offer the guest's Docker engine to the host, and report when it is ready. Runs as root.

Standard library only, as in all code inside images: hence the polling here without tenacity. The host sends first;
the agent replies with `ready` and the guest's facts once dockerd answers.
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

from testbed.vm.mux import FrameType, MuxError, MuxEvent
from testbed.vm.pump import PortClosedError, Pump

DOCKER_SOCKET: Final = "/run/docker.sock"
DOCKER_LOG: Final = Path("/run/dockerd.log")
PORT_NAME: Final = "testbed"
_PORTS: Final = Path("/sys/class/virtio-ports")
_SYSCTLS: Final = Path("/proc/sys")
_POLL_S: Final = 0.1
_RNDRESEEDCRNG: Final = 0x5207  # include/uapi/linux/random.h, random(4)


def find_port(ports: Path = _PORTS) -> Path | None:
    """Return the device of the port with our name, or None while there is none."""
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
        response = connection.getresponse()
        response.read()
        if response.status != http.client.OK:
            raise ConnectionError(f"docker replies {response.status}")
        return response.headers.get("Server", "")


def read_facts(engine: str) -> dict[str, Any]:
    """Return the facts about this guest that the host records."""
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
    """Serve one host."""

    def __init__(self, port_fd: int) -> None:
        self._pump = Pump(port_fd, self._on_event)
        self._in_session = False
        self._engine = ""

    def run(self) -> None:
        """Serve until the host closes the port."""
        while True:
            self._pump.step(_POLL_S if self._in_session and not self._engine else 10)
            if self._in_session and not self._engine:
                self._report_docker()

    def _report_docker(self) -> None:
        with suppress(OSError, http.client.HTTPException):
            self._engine = ping_docker()
            self._pump.mux.message(read_facts(self._engine))

    def _on_event(self, event: MuxEvent) -> None:
        if event.type is FrameType.HELLO:
            self._in_session, self._engine = True, ""
        elif event.type is FrameType.OPEN:
            self._connect(event.channel)
        elif event.type is FrameType.MESSAGE:
            self._pump.mux.message(execute(event.message))

    def _connect(self, channel: int) -> None:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(DOCKER_SOCKET)
        except OSError:
            sock.close()
            self._pump.mux.reset(channel)
            return
        self._pump.attach(channel, sock)


def execute(message: dict[str, Any]) -> dict[str, Any]:
    """Execute a request of the host outside of Docker and return the reply."""
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
        return {"event": "rejected", "do": verb}
    return {"event": "done", "do": verb}


def read_sysctls(names: Iterable[str], root: Path = _SYSCTLS) -> dict[str, str]:
    """Return the readable sysctls of these paths, by their dotted names."""
    found = {}
    for name in names:
        with suppress(OSError):
            found[name.replace("/", ".")] = (root / name).read_text().strip().replace("\t", " ")
    return found


def wake(realtime_ns: int, entropy: bytes) -> None:
    """Set the clock, and reseed the random numbers, which a saved state would repeat."""
    time.clock_settime_ns(time.CLOCK_REALTIME, realtime_ns)
    with Path("/dev/urandom").open("wb") as device:
        device.write(entropy)
        device.flush()
        fcntl.ioctl(device, _RNDRESEEDCRNG)


def power_off() -> None:
    """Stop Docker, sync the disk, power the machine off."""
    pid_file = Path("/run/docker.pid")
    if pid_file.exists():
        subprocess.run(["kill", pid_file.read_text().strip()], check=False)
        deadline_s = time.monotonic() + 20
        while pid_file.exists() and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
    os.sync()
    for word in "sub":  # sync, remount read-only, then reset: with -no-reboot qemu exits
        Path("/proc/sysrq-trigger").write_text(word)
        time.sleep(0.5 if word == "u" else 0)


def main() -> None:
    """Serve one host after another."""
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
