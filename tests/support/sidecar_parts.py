"""The parts of a sidecar without sockets and without privileges, and a supervisor that runs on them."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from netem.contract.errors import SidecarError
from netem.contract.events import EventStream
from netem.contract.settings import Settings
from netem.engines.link import CapturePoint
from netem.sidecar.ports import Handler, VerificationPort
from netem.sidecar.supervisor import Supervisor
from netem.spec import Impairment, format_impairment
from netem.system.reactor import Reactor


class Calls:
    """What was called, in order; a call that is in `failures` raises."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.failures: dict[str, Exception] = {}

    def note(self, name: str) -> None:
        self.made.append(name)
        if name in self.failures:
            raise self.failures[name]


class FakeLink:
    engine = "fake"
    reason = "a test"
    capture_points = (CapturePoint("fake0"),)
    capture_note = "noted"
    scheduling = "ordinary: a test"

    def __init__(self, calls: Calls, death_fd: int | None) -> None:
        self._calls = calls
        self.death_fd = death_fd
        self.changes: list[Impairment] = []

    def make_devices(self) -> None:
        self._calls.note("link.make_devices")

    def start(self) -> None:
        self._calls.note("link.start")

    def readback(self) -> str:
        self._calls.note("link.readback")
        return "read back"

    def change(self, impairment: Impairment) -> None:
        self._calls.note("link.change")
        self.changes.append(impairment)

    def restart(self) -> None:
        self._calls.note("link.restart")

    def counters(self) -> dict[str, Any]:
        self._calls.note("link.counters")
        return {"frames": 7}

    def bypass(self) -> None:
        self._calls.note("link.bypass")

    def block(self) -> None:
        self._calls.note("link.block")

    def abandon(self) -> None:
        self._calls.note("link.abandon")

    def close(self) -> None:
        self._calls.note("link.close")


class FakeCapture:
    def __init__(self, calls: Calls, on_ready: Callable[[], None], on_failure: Callable[[SidecarError], None]) -> None:
        self._calls = calls
        self._on_ready = on_ready
        self.fail = on_failure
        self.ready = False

    def start(self, points: tuple[CapturePoint, ...]) -> None:
        self._calls.note("capture.start")

    def listen(self) -> None:
        """Become ready."""
        self.ready = True
        self._on_ready()

    def mark(self) -> None:
        self._calls.note("capture.mark")

    def stop(self) -> dict[str, Any]:
        self._calls.note("capture.stop")
        return {"frames": 3}


class FakeResponder:
    def __init__(self, calls: Calls, describe: Callable[[], str], on_finished: Callable[[], None]) -> None:
        self._calls = calls
        self._on_finished = on_finished
        self.describe = describe
        self.finished = 0

    def finish(self) -> None:
        """A prober has finished."""
        self.finished += 1
        self._on_finished()

    def close(self) -> None:
        self._calls.note("responder.close")


class FakeVerification:
    def __init__(self, calls: Calls, on_done: Callable[[VerificationPort], None]) -> None:
        self._calls = calls
        self._on_done = on_done
        self._done = False
        self._failures: list[str] = []

    def start(self) -> None:
        self._calls.note("verification.start")

    def finish(self, *failures: str) -> None:
        """Every prober is done."""
        self._done, self._failures = True, list(failures)
        self._on_done(self)

    def unfinished(self) -> list[str]:
        return [] if self._done else ["server over ipv4: waits"]

    def facts(self) -> dict[str, Any]:
        return {"probes": []}

    def failures(self) -> list[str]:
        return self._failures

    def close(self) -> None:
        self._calls.note("verification.close")


class FakeControl:
    def __init__(self, calls: Calls, handle: Handler) -> None:
        self._calls = calls
        self.request = handle

    def close(self) -> None:
        self._calls.note("control.close")


class FakeSampler:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.on_idle_request: Callable[[], object] = int

    def start(self) -> None:
        self._calls.note("sampler.start")

    def request_idle(self) -> None:
        self._calls.note("sampler.request_idle")
        self.on_idle_request()

    def stop(self) -> dict[str, int]:
        self._calls.note("sampler.stop")
        return {"samples": 5}


class FakeMonitor:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def start(self, *, sampling: bool) -> None:
        self._calls.note(f"monitor.start sampling={sampling}")

    def note_traffic(self, begins: bool, /) -> None:
        self._calls.note(f"monitor.note_traffic {begins}")

    def stop(self) -> dict[str, Any]:
        self._calls.note("monitor.stop")
        return {"tcp": {}, "host": None}


class FakeParts:
    """Make the fakes and keep them as attributes, for a test to drive; a part that was never made is missing."""

    link_made: FakeLink
    capture_made: FakeCapture
    responder_made: FakeResponder
    verification_made: FakeVerification
    control_made: FakeControl
    sampler_made: FakeSampler

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.death_fd: int | None = None
        self.later: list[Impairment] = []

    def route(self) -> dict[str, Any]:
        self.calls.note("route")
        return {"ipv4": {}}

    def sysctls(self) -> dict[str, str]:
        self.calls.note("sysctls")
        return {}

    def link(self, impairment: Impairment, later: Sequence[Impairment]) -> FakeLink:
        self.calls.note("link")
        self.later = list(later)
        self.link_made = FakeLink(self.calls, self.death_fd)
        return self.link_made

    def capture(self, on_ready: Callable[[], None], on_failure: Callable[[SidecarError], None]) -> FakeCapture:
        self.calls.note("capture")
        self.capture_made = FakeCapture(self.calls, on_ready, on_failure)
        return self.capture_made

    def drop_privileges(self) -> None:
        self.calls.note("drop_privileges")

    def responder(
        self, describe: Callable[[], str], delay_tolerance_ns: int, on_finished: Callable[[], None]
    ) -> FakeResponder:
        self.calls.note("responder")
        self.responder_made = FakeResponder(self.calls, describe, on_finished)
        return self.responder_made

    def verification(
        self, impairment: Impairment, delay_tolerance_ns: int, on_done: Callable[[VerificationPort], None]
    ) -> FakeVerification:
        self.calls.note(f"verification {format_impairment(impairment)}".rstrip())
        self.verification_made = FakeVerification(self.calls, on_done)
        return self.verification_made

    def control(self, handle: Handler) -> FakeControl:
        self.calls.note("control")
        self.control_made = FakeControl(self.calls, handle)
        return self.control_made

    def sampler(self, on_traffic: Callable[[bool], None]) -> FakeSampler:
        self.calls.note("sampler")
        self.sampler_made = FakeSampler(self.calls)
        return self.sampler_made

    def monitor(self) -> FakeMonitor:
        self.calls.note("monitor")
        return FakeMonitor(self.calls)


class SidecarLab:
    """A supervisor on fake parts: `script` defines what happens while it serves, `run` runs it until it exits."""

    def __init__(self, reactor: Reactor, folder: Path, **settings: Any) -> None:
        self.reactor = reactor
        self.folder = folder
        self.ready_file = folder / "run" / "ready"
        self.settings = replace(Settings(output=str(folder / "output"), deadline_s=20.0), **settings)
        self.calls = Calls()
        self.parts = FakeParts(self.calls)
        self.events: list[dict[str, Any]] = []
        self.link_json_when_stopped: dict[str, Any] = {}
        self._now_ns = 0

    def fail(self, call: str, failure: Exception | None = None) -> None:
        """Make a call fail."""
        self.calls.failures[call] = failure or SidecarError(f"try {call}", "refused")

    def script(self, *steps: Callable[[], object]) -> None:
        """Run these one after another once the sidecar serves."""
        for step in steps:
            self.reactor.call_at(0, partial(_call, step))

    def let_engine_die(self) -> Callable[[], None]:
        """Add an engine process to the link, and return a function that kills it."""
        self.parts.death_fd, write = os.pipe()
        return lambda: os.close(write)

    def capture_listens(self) -> None:
        """Make the capture ready."""
        self.parts.capture_made.listen()

    def verification_ends(self, *failures: str) -> None:
        """Finish every prober."""
        self.parts.verification_made.finish(*failures)

    def become_ready(self) -> None:
        """Finish everything that `ready` waits for."""
        self.capture_listens()
        self.verification_ends()
        if self.settings.wait_for_probes:
            for _ in self.settings.families:
                self.parts.responder_made.finish()

    def run(self) -> int:
        """Run the supervisor to its end and return the exit code."""
        return self._supervisor(namespace_stays=False).run()

    def run_in_session(self) -> tuple[int, int]:
        """Run it in a namespace that stays; return the exit codes of `run` and, after it, of `release`."""
        supervisor = self._supervisor(namespace_stays=True)
        code = supervisor.run()
        self.calls.note("files are sent")
        return code, supervisor.release()

    def _supervisor(self, *, namespace_stays: bool) -> Supervisor:
        log = EventStream(self._write, self._clock, self._clock)
        return Supervisor(
            self.settings,
            log,
            self.reactor,
            self.parts,
            ready_file=self.ready_file,
            namespace_stays=namespace_stays,
        )

    def named(self, event: str) -> list[dict[str, Any]]:
        """Return the events of that name so far."""
        return [each for each in self.events if each["event"] == event]

    def link_json(self) -> dict[str, Any]:
        """Return the content of link.json, nothing when there is no such file."""
        path = Path(self.settings.output) / "link.json"
        document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return document

    def _clock(self) -> int:
        self._now_ns += 1
        return self._now_ns

    def _write(self, line: str) -> None:
        event = json.loads(line)
        if event["event"] == "stopped":
            self.link_json_when_stopped = self.link_json()
        self.events.append(event)


def _call(step: Callable[[], object]) -> None:
    step()
