"""Compose a sidecar from its real parts: for one cell, or for the cells of a session."""

import time
from collections.abc import Mapping
from pathlib import Path

from netem.contract.errors import SidecarError
from netem.contract.events import EventStream
from netem.contract.settings import from_environment
from netem.sidecar.control import READY_FILE
from netem.sidecar.parts import SystemParts
from netem.sidecar.raw_files import send_files
from netem.sidecar.reset import Reset
from netem.sidecar.session import CommandLines, Session, read_stderr
from netem.sidecar.supervisor import Supervisor
from netem.system.output import write_stdout
from netem.system.reactor import Reactor


def run_alone(environment: Mapping[str, str]) -> int:
    """Run the one cell of this container; return the exit code."""
    log = _event_stream()
    try:
        supervisor = _supervisor(environment, log, namespace_stays=False)
    except SidecarError as error:
        log.emit("error", **error.facts())
        return 1
    return supervisor.run()


def run_session(environment: Mapping[str, str]) -> int:
    """Serve cells until standard input ends; return the exit code. Device and folder are those of `environment`."""
    settings = from_environment(environment)
    folder = Path(settings.output)
    return Session(
        CommandLines(0), write_stdout, lambda cell: _run_of_session(cell, folder), Reset(settings.device, folder)
    ).run()


def _run_of_session(environment: Mapping[str, str], folder: Path) -> int:
    log = _event_stream()
    try:
        supervisor = _supervisor(environment, log, namespace_stays=True)
    except SidecarError as error:
        log.emit("error", **error.facts())
        return 1
    code = supervisor.run()
    send_files(folder, write_stdout, code=code, stderr=read_stderr())
    return supervisor.release() or code


def _event_stream() -> EventStream:
    return EventStream(write_stdout, time.monotonic_ns, time.time_ns)


def _supervisor(environment: Mapping[str, str], log: EventStream, *, namespace_stays: bool) -> Supervisor:
    settings = from_environment(environment)
    reactor = Reactor()
    parts = SystemParts(reactor, settings, log)
    return Supervisor(settings, log, reactor, parts, ready_file=READY_FILE, namespace_stays=namespace_stays)
