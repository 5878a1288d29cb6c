"""Run one sidecar: start its parts, report `ready`, serve, tear down.

    start  ->  link in force  ->  peers probed, capture listening  ->  ready  ->  SIGTERM  ->  stopped

Everything that takes time (tcpdump's start, the probes) runs at the same time. Any failure is reported as one `error`
event and exit code 1. Each step of the start registers its own teardown; the teardown runs in reverse order, even if
some of its steps fail.
"""

import gc
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from netem.contract.errors import SidecarError, from_os_error
from netem.contract.events import EventStream
from netem.contract.scheduling import is_realtime
from netem.contract.settings import Settings
from netem.engines.link import Link
from netem.probe.verdict import delay_tolerance_ns
from netem.sidecar.impairment import ActiveImpairment, ChangeHandler, read_impairment
from netem.sidecar.ports import CapturePort, MonitorPort, Parts, ResponderPort, VerificationPort
from netem.sidecar.profile import ProfileRunner, read_profile
from netem.sidecar.readiness import Readiness
from netem.sidecar.summary import Summary
from netem.sidecar.teardown import Errors, Teardown
from netem.spec import Impairment, format_impairment
from netem.spec.profile import Change
from netem.system.output import write_link_json
from netem.system.reactor import Reactor

_VERIFY_HINT = (
    "free the host's processor, allow more with NETEM_DELAY_TOLERANCE_MS (compose: TESTBED_DELAY_TOLERANCE_MS), "
    "or disable verification with NETEM_PROBES=0 (testbed run: --probes 0)"
)


@dataclass(frozen=True, slots=True)
class Running:
    """A started sidecar: the parts that `ready` activates."""

    link: Link
    capture: CapturePort
    monitor: MonitorPort
    profile: ProfileRunner


class Supervisor:
    """Run one sidecar until it exits; `run` returns the exit code."""

    def __init__(
        self,
        settings: Settings,
        events: EventStream,
        reactor: Reactor,
        parts: Parts,
        *,
        ready_file: Path,
        namespace_stays: bool = False,
    ) -> None:
        """With `namespace_stays`, another cell follows in this network namespace: call `release` after `run`."""
        self._settings = settings
        self._events = events
        self._reactor = reactor
        self._parts = parts
        self._ready_file = ready_file
        self._folder = Path(settings.output)
        self._readiness = Readiness()
        self._summary = Summary()
        self._errors = Errors(events)
        self._namespace_stays = namespace_stays
        self._bypassed: Link | None = None

    def run(self) -> int:
        """Start, serve until SIGTERM, tear down; return 0, or 1 after an `error` event."""
        with Teardown(self._errors) as teardown:
            try:
                self._start(teardown)
                self._reactor.run()
            except SidecarError as error:
                self._errors.report(error)
            except OSError as error:
                self._errors.report(from_os_error("serve", error))
            except BaseException:
                self._errors.failed = True
                raise
        self._conclude()
        return 1 if self._errors.failed else 0

    def release(self) -> int:
        """Remove what `run` has left of the link in a namespace that stays; return 0, or 1 after an `error` event.

        It comes after `stopped`, because the kernel takes some 16 ms to remove a device.
        """
        if self._bypassed is not None:
            self._errors.attempt(self._bypassed.close)
        return 1 if self._errors.failed else 0

    # Start: each step registers what undoes it before the next one begins.

    def _start(self, teardown: Teardown) -> None:
        settings = self._settings
        for number in (signal.SIGTERM, signal.SIGINT):
            self._reactor.on_signal(number, self._reactor.stop)
        self._reactor.on_signal(signal.SIGUSR1, _ignore)
        self._reactor.call_later(int(settings.deadline_s * 1e9), self._check_deadline)
        self._prepare_folders()
        impairment = read_impairment(settings.impairment, impair_nd=settings.impair_nd)
        changes = read_profile(settings.profile)
        link, capture = self._start_link(teardown, impairment, changes)
        active = ActiveImpairment(link, self._events, impairment, impair_nd=settings.impair_nd)
        profile = ProfileRunner(self._reactor, changes, active.change)
        self._start_probes(teardown, active, link)
        control = self._parts.control(ChangeHandler(active, profile.stop).handle)
        teardown.add(control.close)
        monitor = self._start_sampler(teardown)
        running = Running(link, capture, monitor, profile)
        self._readiness.call_when_reached(partial(self._become_ready, running))

    def _prepare_folders(self) -> None:
        try:
            endpoint = self._folder / "endpoint"
            endpoint.mkdir(parents=True, exist_ok=True)
            endpoint.chmod(0o777)
            self._ready_file.parent.mkdir(parents=True, exist_ok=True)
            self._ready_file.unlink(missing_ok=True)
        except OSError as error:
            raise from_os_error(
                f"prepare {error.filename}", error, "mount a volume at NETEM_OUTPUT and a tmpfs at /run"
            ) from error

    def _start_link(
        self, teardown: Teardown, impairment: Impairment, changes: tuple[Change, ...]
    ) -> tuple[Link, CapturePort]:
        """Apply the impairment, with the capture already running; emit `link`."""
        route = self._parts.route()
        link = self._parts.link(impairment, [change.impairment for change in changes])
        teardown.add(partial(self._release_link, link))
        link.make_devices()
        capture = self._start_capture(teardown, link)
        link.start()
        self._parts.drop_privileges()
        teardown.add(partial(self._summary.count_link, link))
        self._events.emit(
            "link",
            engine=link.engine,
            reason=link.reason,
            requested=format_impairment(impairment),
            readback=link.readback(),
            scheduling=link.scheduling,
            route=route,
            sysctls=self._parts.sysctls(),
        )
        if link.death_fd is not None:
            self._reactor.add_reader(link.death_fd, partial(self._on_engine_death, link, link.death_fd))
        return link, capture

    def _start_capture(self, teardown: Teardown, link: Link) -> CapturePort:
        capture = self._parts.capture(self._readiness.check, self._fail)
        teardown.add(partial(self._summary.stop_capture, capture, link))
        self._readiness.require(lambda: [] if capture.ready else ["tcpdump is not listening"])
        capture.start(link.capture_points)
        return capture

    def _start_probes(self, teardown: Teardown, active: ActiveImpairment, link: Link) -> None:
        """Answer the peers' probes and send our own."""
        tolerance_ns = delay_tolerance_ns(self._settings.delay_tolerance_ms, realtime=is_realtime(link.scheduling))
        responder = self._parts.responder(active.text, tolerance_ns, self._readiness.check)
        teardown.add(responder.close)
        verification = self._parts.verification(active.impairment, tolerance_ns, self._on_verified)
        teardown.add(verification.close)
        self._readiness.require(verification.unfinished)
        if self._settings.wait_for_probes:
            # The impairment must not change while a peer probes, and its probes use up draws.
            self._readiness.require(partial(self._peers_awaited, responder))
        verification.start()

    def _start_sampler(self, teardown: Teardown) -> MonitorPort:
        monitor = self._parts.monitor()
        teardown.add(partial(self._stop_monitor, monitor))
        sampler = self._parts.sampler(monitor.note_traffic)
        teardown.add(partial(self._summary.stop_sampler, sampler))
        sampler.start()
        self._reactor.on_signal(signal.SIGUSR1, sampler.request_idle)
        return monitor

    # Serve: what the reactor calls.

    def _on_verified(self, verification: VerificationPort) -> None:
        self._events.emit("verified", **verification.facts())
        failures = verification.failures()
        if failures:
            raise SidecarError("verify the link", " ".join(failures), _VERIFY_HINT)
        self._readiness.check()

    def _peers_awaited(self, responder: ResponderPort) -> list[str]:
        finished = responder.finished >= len(self._settings.families)
        return [] if finished else ["still waiting for a peer to finish probing"]

    def _become_ready(self, running: Running) -> None:
        # From here on every draw, packet number and counter belongs to the endpoint's traffic.
        running.link.restart()
        running.capture.mark()
        running.monitor.start(sampling=self._settings.sample_interval_ms > 0)
        gc.freeze()
        self._ready_file.touch()
        running.profile.start(self._events.emit("ready"))

    def _check_deadline(self) -> None:
        if not self._readiness.reached:
            raise SidecarError(
                f"be ready within {self._settings.deadline_s:g} s",
                "; ".join(self._readiness.awaited()),
                "start the peers' sidecars at the same time, or raise NETEM_DEADLINE_S",
            )

    def _on_engine_death(self, link: Link, death_fd: int) -> None:
        """Apply NETEM_ON_ENGINE_DEATH; the result is an error either way."""
        self._reactor.remove_reader(death_fd)
        error = SidecarError(
            "forward frames",
            f"the emulation engine died; the link is {self._settings.on_engine_death} from now on",
            "read the sidecar's standard error, then run the cell again",
        )
        if self._settings.on_engine_death == "open":
            # The endpoint continues over an unimpaired link; the sidecar keeps running, but its exit code will be 1.
            link.bypass()
            self._errors.report(error)
        else:
            self._fail(error)
            self._errors.attempt(link.block)

    def _fail(self, error: SidecarError) -> None:
        self._errors.report(error)
        self._reactor.stop()

    # Teardown.

    def _stop_monitor(self, monitor: MonitorPort) -> None:
        if self._readiness.reached:
            self._summary.stop_monitor(monitor)

    def _release_link(self, link: Link) -> None:
        # Stopping a sidecar ends its namespace; after a failure, other containers may still be in it.
        if self._errors.failed:
            link.close()
        elif self._namespace_stays:
            link.bypass()
            self._bypassed = link
        else:
            link.abandon()

    def _conclude(self) -> None:
        """Write link.json and print `stopped` after it: the reader of `stopped` fetches the files immediately."""
        stopped = self._events.record("stopped", **self._summary.facts()) if self._readiness.reached else ""
        self._errors.attempt(partial(self._ready_file.unlink, missing_ok=True))
        self._errors.attempt(partial(write_link_json, self._folder / "link.json", self._events.recorded))
        if stopped:
            self._events.write(stopped)


def _ignore() -> None:
    """Ignore this signal: only a running sampler can handle it."""
