"""A container engine without containers: every port of `testbed.stack.ports`, scripted by the test."""

import json
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from netem.contract.session import Begin, Command, Reset, Signal, decode_command, encode_piece, encode_reply
from testbed.errors import HostError
from testbed.ownership import CELL, ROLE
from testbed.stack.ports import ContainerSpec, Conversation, Exit, Found, Handle, Image, Stream
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

    def beside(self, role: str) -> "FakeProcess":
        """Return the process with this role in the same cell."""
        own = self.engine.cells[self.spec.labels[CELL]]
        # The sidecars of a warm cell have the label of their rig.
        return own[role] if role in own else self.engine.cells[self.engine.rigs[self.spec.joins]][role]

    def write(self, text: str, stream: Stream = "stdout") -> None:
        self._frames.put((stream, text.encode()))

    def emit(self, event: str, **facts: object) -> None:
        self.write(json.dumps({"event": event, "monotonic_ns": 0, "realtime_ns": 0, **facts}) + "\n")

    def share_output(self, container: "FakeProcess") -> None:
        """Write to the output of a container."""
        self._frames = container._frames

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


class FakeCell(FakeProcess):
    """The process of one cell in a sidecar that is interactive: its end is a few replies of the session."""

    def exit(self, code: int, *, oom_killed: bool = False) -> None:
        self.started, self.exited = False, True
        role = self.spec.labels[ROLE]
        for name, data in self.engine.files.get(role.removesuffix("-netem"), {}).items():
            if not self.engine.left_files:
                self.write(encode_piece(name, data))
        self.write(encode_reply("files", left=self.engine.left_files, code=code, stderr=""))
        self.write(encode_reply("ended", left=[], code=code, stderr=""))


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
    process.beside("server-netem").emit("listening", families=["ipv4"])


def client(process: FakeProcess) -> None:
    """Run a client whose transfer ends at once."""
    process.write("Will connect to server : 8888\nSending 280 bytes!\nData sent\n")
    process.beside("server").write("Ending connection\n")
    process.exit(0)


class FakeEngine:
    """Run the scripts of containers, by role, when they start; `tun`: whether there is a TUN device.

    Several cells may run at the same time: `cells` has the processes of each by role, `processes` the newest of all.

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
        self.cells: dict[str, dict[str, FakeProcess]] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.unpacked: dict[str, dict[str, bytes]] = {}
        self.images: dict[str, Image] = {}
        self.built: list[str] = []
        self.copied: list[str] = []
        self.journal: list[str] = []
        self.fail_on: dict[str, BaseException] = {}
        self.ipv6 = False
        self.sessions: dict[str, FakeProcess] = {}
        """Interactive containers, by their name."""
        self.rigs: dict[str, str] = {}
        """The label of the rig, by the id of an interactive container."""
        self.left_files: list[str] = []
        """What a session does not send; then it sends nothing."""
        self.left_traces: list[str] = []
        """What a reset does not remove."""

    def running(self, role: str) -> FakeProcess:
        return self.processes[role]

    def _do(self, what: str, labels: Mapping[str, str]) -> None:
        self.journal.append(what)
        self.called(what, labels.get(CELL, ""))
        if what in self.fail_on:
            raise self.fail_on[what]

    def called(self, what: str, cell: str) -> None:
        """Do nothing: where a subclass fails or hangs."""

    def _refuse(self, attempt: str, spec: ContainerSpec) -> None:
        if attempt == self.refuses_capability and "SYS_NICE" in spec.capabilities:
            raise HostError(f"{attempt} {spec.name}: runc create failed: unable to apply caps: operation not permitted")

    def _add(self, handle: Handle, labels: Mapping[str, str]) -> Handle:
        self.resources[handle.kind, handle.name] = (handle, labels)
        return handle

    def create_network(self, name: str, labels: Mapping[str, str], *, ipv6: bool = True) -> Handle:
        self._do("create network", labels)
        self.ipv6 = ipv6
        return self._add(Handle("network", f"id-{name}", name), labels)

    def create_volume(self, name: str, labels: Mapping[str, str]) -> Handle:
        self._do(f"create volume {labels[ROLE]}", labels)
        return self._add(Handle("volume", name, name), labels)

    def create_container(self, spec: ContainerSpec) -> Handle:
        role = spec.labels[ROLE]
        self._do(f"create {role}", spec.labels)
        self._refuse("create", spec)
        process = FakeProcess(self, spec)
        self.processes[role] = self.cells.setdefault(spec.labels[CELL], {})[role] = process
        if spec.interactive:
            self.sessions[spec.name] = process
            self.rigs[f"id-{spec.name}"] = spec.labels[CELL]
        return self._add(Handle("container", f"id-{spec.name}", spec.name), spec.labels)

    def remove(self, handle: Handle) -> None:
        # The id of a planned handle is its name: engines accept either.
        found = (handle.kind, handle.name)
        if found not in self.resources:
            return
        labels = self.resources[found][1]
        self._do(f"remove {handle.kind} {labels[ROLE]}", labels)
        if handle.kind == "container":
            process = self.sessions.pop(handle.name, None) or self.cells[labels[CELL]][labels[ROLE]]
            if not process.exited:
                process.exit(137)
        self.resources.pop(found, None)

    def find(self, label: str) -> list[Found]:
        key, _, value = label.partition("=")
        return [
            Found(handle, labels, 1000.0)
            for handle, labels in list(self.resources.values())
            if key in labels and value in ("", labels[key])
        ]

    def _process(self, handle: Handle) -> FakeProcess:
        labels = self._labels(handle)
        return self.cells[labels[CELL]][labels[ROLE]]

    def _labels(self, handle: Handle) -> Mapping[str, str]:
        found = self.resources.get(("container", handle.name))
        if found is None:
            raise HostError(f"no such container: {handle.name}")
        return found[1]

    def attach(self, handle: Handle, output: Callable[[Stream, bytes], None]) -> Callable[[], Exit]:
        process = self._process(handle)
        return lambda: process.follow(output)

    def converse(self, handle: Handle, output: Callable[[Stream, bytes], None]) -> Conversation:
        session = self.sessions[handle.name]

        def send(data: bytes) -> None:
            for line in data.splitlines():
                self._command(session, decode_command(line))

        return Conversation(lambda: session.follow(output), send, lambda: session.exited or session.exit(0))

    def _command(self, session: FakeProcess, command: Command) -> None:
        role, rig = session.spec.labels[ROLE], session.spec.labels[CELL]
        match command:
            case Begin(environment):
                self._do(f"begin {role}", session.spec.labels)
                cell = FakeCell(self, replace(session.spec, environment=environment), started=True)
                cell.share_output(session)
                self.processes[role] = self.cells[rig][role] = cell
                self.scripts[role](cell)
            case Signal(name):
                self._send_signal(self.cells[rig][role], name)
            case Reset():
                self._do(f"reset {role}", session.spec.labels)
                session.write(encode_reply("reset", left=self.left_traces))

    def start(self, handle: Handle) -> None:
        process, labels = self._process(handle), self._labels(handle)
        role = labels[ROLE]
        self._do(f"start {role}", labels)
        self._refuse("start", process.spec)
        if process.spec.devices and not self.tun:
            raise HostError(f'start {role}: error gathering device information: "/dev/net/tun": no such file')
        process.started = True
        if handle.name in self.sessions:
            process.write(encode_reply("open"))
        else:
            self.scripts[role](process)

    def kill(self, handle: Handle, signal: str) -> None:
        if ("container", handle.name) not in self.resources:
            return  # as an engine that has removed it
        self._send_signal(self._process(handle), signal)

    def _send_signal(self, process: FakeProcess, signal: str) -> None:
        process.signals.append(signal)
        if signal == "SIGKILL":
            process.exit(137)
        elif signal in process.on_signal:
            process.on_signal[signal](process)

    def archive(self, handle: Handle, path: str) -> Iterator[bytes]:
        role = self._labels(handle)[ROLE].removesuffix("-netem")
        yield packed({f"{path.rpartition('/')[2]}/{name}": data for name, data in self.files.get(role, {}).items()})

    def unpack(self, handle: Handle, path: str, files: Mapping[str, bytes]) -> None:
        role = self._labels(handle)[ROLE]
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
