"""Check this machine for everything that a run needs; every row of a failed check has a hint."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from threading import Thread
from typing import Any, Final, Literal

from testbed.errors import CapabilityError, HostError
from testbed.ownership import Owner, ResourceLabels
from testbed.stack.capabilities import capability_attempt, sidecar_capabilities
from testbed.stack.clean import leftovers, remove_all
from testbed.stack.docker_cli import DockerCommandError, compose_version
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import CHECKOUT, DOCKERFILES, Images, bases
from testbed.stack.ports import ContainerSpec, Exit, Handle, Stream
from testbed.stack.tun import TUN, has_tun
from testbed.units import pluralize

Verdict = Literal["ok", "missing", "limited"]

SIDECAR_DOCTOR_S: Final = 60.0

SCHEDULING: Final = "scheduling"
"""The sidecar's check of the policy that its user engine would obtain."""


@dataclass(frozen=True, slots=True)
class Row:
    """One check; `missing` prevents runs, `limited` does not."""

    name: str
    verdict: Verdict
    fact: str
    hint: str = ""

    def document(self) -> dict[str, str]:
        """Return the row for JSON."""
        return asdict(self)


def _compose() -> Row:
    try:
        return Row("compose", "ok", compose_version())
    except DockerCommandError as error:
        hint = "`make setup` provides it; only `docker compose up` needs it"
        return Row("compose", "limited", f"the compose plug-in does not answer: {error.reason}", hint)


def _engine(engine: DockerEngine) -> Row:
    version = engine.version
    fact = f"Docker {version.get('Version')}, API {version.get('ApiVersion')}, kernel {version.get('KernelVersion')}"
    return Row("Docker engine", "ok", fact)


def _context(engine: DockerEngine) -> Row:
    address = engine.base_url
    # docker-py reports this made-up address for a unix socket.
    if address.startswith(("http+docker://localhost", "http+docker://localnpipe")):
        return Row("context", "ok", "local Docker engine")
    hint = "`docker context use default`, unless the remote host is intended"
    return Row("context", "limited", f"remote Docker engine: {address}", hint)


def _base_images(engine: DockerEngine) -> Iterator[Row]:
    names = {
        base
        for file in DOCKERFILES.values()
        if (CHECKOUT / file).exists()
        for base in bases((CHECKOUT / file).read_text())
    }
    for name in sorted(names):
        found = engine.image(name)
        if found:
            yield Row("base image", "ok", name)
        else:
            yield Row("base image", "missing", f"{name} is not in the store", "`make setup` provides it")


def _images(engine: DockerEngine, images: Images) -> Iterator[Row]:
    for name in DOCKERFILES:
        try:
            tag = images.tag(name)
        except HostError as error:
            yield Row(f"image {name}", "missing", error.message, error.hint)
            continue
        if engine.image(tag):
            yield Row(f"image {name}", "ok", tag)
        else:
            yield Row(f"image {name}", "limited", f"{tag} is not built yet", "the next `testbed run` builds it")


def _network(engine: DockerEngine, labels: ResourceLabels) -> Row:
    name = f"testbed-doctor-{labels.owner.pid}"
    try:
        network = engine.create_network(name, labels.for_role("link"))
    except HostError as error:
        hint = error.hint or "enable IPv6 networks in the Docker daemon: docs.docker.com, daemon configuration, ipv6"
        return Row("network", "missing", error.message, hint)
    remove_all(engine, [network])
    return Row("network", "ok", "an internal bridge with IPv4 and IPv6 can be created")


def _sidecar(engine: DockerEngine, labels: ResourceLabels, image: str) -> Iterator[Row]:
    try:
        tun = has_tun(engine, labels, image)
        if not tun:
            hint = "modprobe tun; the user emulation engine needs it"
            yield Row("tun", "limited", f"the kernel of the Docker engine has no {TUN}", hint)
        rows = list(_rows_of_sidecar(engine, labels, image, (TUN,) if tun else ()))
    except HostError as error:
        rows = [Row("sidecar", "missing", error.message, error.hint)]
    yield from rows


def _rows_of_sidecar(
    engine: DockerEngine, labels: ResourceLabels, image: str, devices: tuple[str, ...]
) -> Iterator[Row]:
    refused = None
    try:
        exit_, output = _run_sidecar_doctor(engine, labels, image, devices, real_time=True)
    except CapabilityError as error:
        refused = error
        exit_, output = _run_sidecar_doctor(engine, labels, image, devices, real_time=False)
    yield from _sidecar_rows(exit_, output, refused)


def _sidecar_rows(exit_: Exit | None, output: str, refused: CapabilityError | None = None) -> Iterator[Row]:
    try:
        document: dict[str, Any] = json.loads(output)
        rows = [dict(row) for row in document["checks"]]
    except (ValueError, KeyError, TypeError):
        end = f"exit code {exit_.code}" if exit_ else f"did not exit within {SIDECAR_DOCTOR_S:g} s"
        yield Row("sidecar", "missing", f"netem doctor: {end}, output {output[-200:]!r}", "see `docker logs`")
        return
    engine = document.get("engine", "none")
    if engine == "none":
        yield Row("link emulation", "missing", "neither netem in the kernel nor a TAP device", "see the rows below")
    else:
        yield Row("link emulation", "ok", f"auto selects {engine}")
    for row in rows:
        name, fact, hint = (str(row.get(key, "")) for key in ("name", "fact", "hint"))
        if name == SCHEDULING and refused is not None:
            fact, hint = f"ordinary: {refused.message}", refused.hint
        yield Row(f"sidecar {name}", "ok" if row.get("ok") else "limited", fact, hint)


def _run_sidecar_doctor(
    engine: DockerEngine, labels: ResourceLabels, image: str, devices: tuple[str, ...], *, real_time: bool
) -> tuple[Exit | None, str]:
    name = f"testbed-doctor-{labels.owner.pid}"
    tags = labels.for_role("netem")
    stdout: list[bytes] = []
    exits: list[Exit] = []

    def on_output(stream: Stream, data: bytes) -> None:
        if stream == "stdout":
            stdout.append(data)

    network = engine.create_network(name, tags)
    try:
        spec = ContainerSpec(
            name=name,
            image=image,
            labels=tags,
            environment={},
            network=name,
            command=("doctor",),
            capabilities=sidecar_capabilities(real_time=real_time),
            devices=devices,
            tmpfs=("/run", "/tmp"),  # noqa: S108 - paths in the container
        )
        with capability_attempt(real_time=real_time):
            container = engine.create_container(spec)
            follow = engine.attach(container, on_output)
            engine.start(container)
        thread = Thread(target=lambda: exits.append(follow()), daemon=True)
        thread.start()
        thread.join(SIDECAR_DOCTOR_S)
    finally:
        remove_all(engine, [Handle("container", name, name), network])
    return (exits[0] if exits else None), b"".join(stdout).decode("utf-8", "replace")


def examine(owner: Owner, progress: Callable[[str], None]) -> Iterator[Row]:
    """Yield a row for each thing that a run needs; without a Docker engine, only that row."""
    engine = DockerEngine()
    try:
        engine.connect()
    except HostError as error:
        yield Row("Docker engine", "missing", error.message, error.hint)
        return
    yield _engine(engine)
    yield _context(engine)
    yield _compose()
    yield from _base_images(engine)
    images = Images(engine, progress)
    yield from _images(engine, images)
    labels = ResourceLabels("doctor", "doctor", owner)
    yield _network(engine, labels)
    try:
        tag, _ = images.ours("netem")
    except HostError as error:
        yield Row("sidecar", "missing", error.message, error.hint)
    else:
        yield from _sidecar(engine, labels, tag)
    left = leftovers(engine, owner)
    fact = f"{pluralize(len(left), 'resource')} of dead runs" if left else "no resources of dead runs"
    yield Row("leftovers", "limited" if left else "ok", fact, "`testbed clean` removes them" if left else "")
