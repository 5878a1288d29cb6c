"""A container engine without containers: every port of `testbed.stack.ports`, scripted by the test."""

import json
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from testbed.errors import HostError
from testbed.ownership import ROLE
from testbed.stack.ports import ContainerSpec, Exit, Found, Handle, Image, Stream
from tests.support.archives import packed

Script = Callable[["FakeProcess"], None]


@dataclass
class FakeProcess:
    """A container that runs its script."""

    engine: "FakeEngine"
    spec: ContainerSpec
    started: bool = False
    exited: bool = False
    signals: list[str] = field(default_factory=list)
    on_signal: dict[str, Script] = field(default_factory=dict)
    _frames: "queue.SimpleQueue[tuple[Stream, bytes] | Exit]" = field(default_factory=queue.SimpleQueue)

    def write(self, text: str, stream: Stream = "stdout") -> None:
        self._frames.put((stream, text.encode()))

    def emit(self, event: str, **facts: object) -> None:
        self.write(json.dumps({"event": event, "monotonic_ns": 0, "realtime_ns": 0, **facts}) + "\n")

    def exit(self, code: int, *, oom_killed: bool = False) -> None:
        self.started = False
        self.exited = True
        self._frames.put(Exit(code, oom_killed))

    def follow(self, output: Callable[[Stream, bytes], None]) -> Exit:
        while True:
            frame = self._frames.get(timeout=30)
            if isinstance(frame, Exit):
                return frame
            output(*frame)


def sidecar(process: FakeProcess) -> None:
    """Run a sidecar without errors."""

    def stop(process: FakeProcess) -> None:
        process.emit("stopped", counters={}, capture={})
        process.exit(0)

    process.on_signal["SIGTERM"] = stop
    process.on_signal["SIGUSR1"] = lambda process: process.emit("idle")
    process.emit("link", engine="none", reason="", requested="", readback="")
    rtt = {"min": 0.1, "median": 0.2, "max": 0.3, "samples": 20}
    process.emit("verified", probes=[], rtt_ms={"ipv4": rtt})
    process.emit("ready")


def server(process: FakeProcess) -> None:
    """Run a server that listens."""
    process.on_signal["SIGTERM"] = lambda process: process.exit(0)
    process.engine.running("server-netem").emit("listening", families=["ipv4"])


def client(process: FakeProcess) -> None:
    """Run a client whose transfer ends at once."""
    process.write("Will connect to server : 8888\nSending 280 bytes!\nData sent\n")
    process.engine.running("server").write("Ending connection\n")
    process.exit(0)


class FakeEngine:
    """Find containers by their role and run their scripts when they start; `tun`: whether there is a TUN device.

    `ipv6` is whether the newest network has it.

    `refuses_capability` names the call that fails for a container with SYS_NICE: `create` or `start`; empty: neither.
    """

    def __init__(self, *, tun: bool = True, refuses_capability: str = "") -> None:
        self.tun = tun
        self.refuses_capability = refuses_capability
        self.scripts: dict[str, Script] = {
            "client-netem": sidecar,
            "server-netem": sidecar,
            "server": server,
            "client": client,
            "tun": lambda _process: None,
        }
        self.resources: dict[tuple[str, str], tuple[Handle, Mapping[str, str]]] = {}
        self.processes: dict[str, FakeProcess] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.unpacked: dict[str, dict[str, bytes]] = {}
        self.images: dict[str, Image] = {}
        self.built: list[str] = []
        self.copied: list[str] = []
        self.journal: list[str] = []
        self.fail_on: dict[str, BaseException] = {}
        self.ipv6 = False

    def running(self, role: str) -> FakeProcess:
        return self.processes[role]

    def _do(self, what: str) -> None:
        self.journal.append(what)
        if what in self.fail_on:
            raise self.fail_on[what]

    def _refuse(self, attempt: str, spec: ContainerSpec) -> None:
        if attempt == self.refuses_capability and "SYS_NICE" in spec.capabilities:
            raise HostError(f"{attempt} {spec.name}: runc create failed: unable to apply caps: operation not permitted")

    def _add(self, handle: Handle, labels: Mapping[str, str]) -> Handle:
        self.resources[handle.kind, handle.name] = (handle, labels)
        return handle

    def create_network(self, name: str, labels: Mapping[str, str], *, ipv6: bool = True) -> Handle:
        self._do("create network")
        self.ipv6 = ipv6
        return self._add(Handle("network", f"id-{name}", name), labels)

    def create_volume(self, name: str, labels: Mapping[str, str]) -> Handle:
        self._do(f"create volume {labels[ROLE]}")
        return self._add(Handle("volume", name, name), labels)

    def create_container(self, spec: ContainerSpec) -> Handle:
        role = spec.labels[ROLE]
        self._do(f"create {role}")
        self._refuse("create", spec)
        self.processes[role] = FakeProcess(self, spec)
        return self._add(Handle("container", f"id-{spec.name}", spec.name), spec.labels)

    def remove(self, handle: Handle) -> None:
        # The id of a planned handle is its name: engines accept either.
        found = (handle.kind, handle.name)
        if found not in self.resources:
            return
        role = self.resources[found][1][ROLE]
        self._do(f"remove {handle.kind} {role}")
        if handle.kind == "container" and not self.processes[role].exited:
            self.processes[role].exit(137)
        del self.resources[found]

    def find(self, label: str) -> list[Found]:
        key, _, value = label.partition("=")
        return [
            Found(handle, labels, 1000.0)
            for handle, labels in self.resources.values()
            if key in labels and value in ("", labels[key])
        ]

    def _process(self, handle: Handle) -> FakeProcess:
        return self.processes[self.resources["container", handle.name][1][ROLE]]

    def attach(self, handle: Handle, output: Callable[[Stream, bytes], None]) -> Callable[[], Exit]:
        process = self._process(handle)
        return lambda: process.follow(output)

    def start(self, handle: Handle) -> None:
        role = self.resources["container", handle.name][1][ROLE]
        self._do(f"start {role}")
        self._refuse("start", self.processes[role].spec)
        if self.processes[role].spec.devices and not self.tun:
            raise HostError(f'start {role}: error gathering device information: "/dev/net/tun": no such file')
        self.processes[role].started = True
        self.scripts[role](self.processes[role])

    def kill(self, handle: Handle, signal: str) -> None:
        process = self._process(handle)
        process.signals.append(signal)
        if signal == "SIGKILL":
            process.exit(137)
        elif signal in process.on_signal:
            process.on_signal[signal](process)

    def archive(self, handle: Handle, path: str) -> Iterator[bytes]:
        role = self.resources["container", handle.name][1][ROLE].removesuffix("-netem")
        yield packed({f"{path.rpartition('/')[2]}/{name}": data for name, data in self.files.get(role, {}).items()})

    def unpack(self, handle: Handle, path: str, files: Mapping[str, bytes]) -> None:
        role = self.resources["container", handle.name][1][ROLE]
        self.unpacked.setdefault(role, {}).update({f"{path}/{name}": data for name, data in files.items()})

    def image(self, name: str) -> Image | None:
        return self.images.get(name)

    def images_with(self, label: str) -> list[Image]:
        return list(self.images.values())

    def remove_image(self, tag: str) -> None:
        del self.images[tag]

    def copy_images(self, tags: Sequence[str]) -> None:
        self.copied += tags
        self.images |= {tag: Image(f"sha256:{tag}", (tag,), "65532") for tag in tags}

    def build(self, context: bytes, dockerfile: str, tag: str, labels: Mapping[str, str]) -> Iterator[str]:
        yield f"Step 1/1 : FROM {len(context)} bytes"
        if dockerfile in self.fail_on:
            raise self.fail_on[dockerfile]
        self.built.append(tag)
        self.images[tag] = Image(f"sha256:{tag}", (tag,), "65532")
