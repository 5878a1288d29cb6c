"""Try what a run needs of this machine, one thing after another; every row says what to do when it is not there."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from threading import Thread
from typing import Any, Final, Literal

from testbed.errors import HostError
from testbed.ownership import Owner, labels
from testbed.stack.clean import leftovers, remove_all
from testbed.stack.docker_cli import DockerCommandError, compose_version
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import CHECKOUT, DOCKERFILES, Images, bases
from testbed.stack.ports import ContainerSpec, Exit, Handle, Stream
from testbed.units import pluralize

Verdict = Literal["ok", "missing", "limited"]

ANSWER_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was tried; `missing` stops runs, `limited` does not."""

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
    return Row("engine", "ok", fact)


def _context(engine: DockerEngine) -> Row:
    address = engine.base_url
    # docker-py gives a unix socket this made-up address.
    if address.startswith(("http+docker://localhost", "http+docker://localnpipe")):
        return Row("context", "ok", "the engine is on this host")
    hint = "`docker context use default`, unless the other host is meant"
    return Row("context", "limited", f"the engine is elsewhere: {address}", hint)


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


def _network(engine: DockerEngine, owner: Owner) -> Row:
    name = f"testbed-doctor-{owner.pid}"
    try:
        network = engine.create_network(name, labels("doctor", "doctor", "link", owner))
    except HostError as error:
        hint = error.hint or "let the engine make IPv6 networks: docs.docker.com, daemon configuration, ipv6"
        return Row("network", "missing", error.message, hint)
    remove_all(engine, [network])
    return Row("network", "ok", "an internal bridge with IPv4 and IPv6 can be made")


def _sidecar(engine: DockerEngine, owner: Owner, image: str) -> Iterator[Row]:
    for devices in (("/dev/net/tun",), ()):
        try:
            exit_, said = _requested(engine, owner, image, devices)
        except HostError as error:
            if devices and devices[0] in error.message:
                yield Row(
                    "tun", "limited", "the engine's host has no /dev/net/tun", "modprobe tun; the user engine needs it"
                )
                continue
            yield Row("sidecar", "missing", error.message, error.hint)
            return
        yield from _sidecar_rows(exit_, said)
        return


def _sidecar_rows(exit_: Exit | None, said: str) -> Iterator[Row]:
    try:
        document: dict[str, Any] = json.loads(said)
        rows = [dict(row) for row in document["checks"]]
    except (ValueError, KeyError, TypeError):
        end = f"exit status {exit_.code}" if exit_ else f"no end within {ANSWER_S:g} s"
        yield Row("sidecar", "missing", f"netem doctor: {end}, {said[-200:]!r}", "look at `docker logs`")
        return
    engine = document.get("engine", "none")
    if engine == "none":
        yield Row("engine of links", "missing", "neither netem in the kernel nor a TAP device", "see the rows below")
    else:
        yield Row("engine of links", "ok", f"auto takes {engine}")
    for row in rows:
        ok = bool(row.get("ok"))
        yield Row(
            f"sidecar {row.get('name')}",
            "ok" if ok else "limited",
            str(row.get("fact", "")),
            str(row.get("hint", "")),
        )


def _requested(engine: DockerEngine, owner: Owner, image: str, devices: tuple[str, ...]) -> tuple[Exit | None, str]:
    name = f"testbed-doctor-{owner.pid}"
    tags = labels("doctor", "doctor", "netem", owner)
    said: list[bytes] = []
    ends: list[Exit] = []

    def output(stream: Stream, data: bytes) -> None:
        if stream == "stdout":
            said.append(data)

    network = engine.create_network(name, tags)
    try:
        spec = ContainerSpec(
            name=name,
            image=image,
            labels=tags,
            environment={},
            network=name,
            command=("doctor",),
            capabilities=("NET_ADMIN", "NET_RAW"),
            devices=devices,
            tmpfs=("/run", "/tmp"),  # noqa: S108 - paths in the container
        )
        container = engine.create_container(spec)
        follow = engine.attach(container, output)
        engine.start(container)
        thread = Thread(target=lambda: ends.append(follow()), daemon=True)
        thread.start()
        thread.join(ANSWER_S)
    finally:
        remove_all(engine, [Handle("container", name, name), network])
    return (ends[0] if ends else None), b"".join(said).decode("utf-8", "replace")


def examine(owner: Owner, progress: Callable[[str], None]) -> Iterator[Row]:
    """Yield a row for each thing that a run needs; without an engine, only that."""
    engine = DockerEngine()
    try:
        engine.connect()
    except HostError as error:
        yield Row("engine", "missing", error.message, error.hint)
        return
    yield _engine(engine)
    yield _context(engine)
    yield _compose()
    yield from _base_images(engine)
    images = Images(engine, progress)
    yield from _images(engine, images)
    yield _network(engine, owner)
    try:
        tag, _ = images.ours("netem")
    except HostError as error:
        yield Row("sidecar", "missing", error.message, error.hint)
    else:
        yield from _sidecar(engine, owner, tag)
    left = leftovers(engine, owner)
    fact = f"{pluralize(len(left), 'thing')} of dead runs" if left else "none of dead runs"
    yield Row("leftovers", "limited" if left else "ok", fact, "`testbed clean` removes them" if left else "")
