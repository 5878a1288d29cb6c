"""The sidecar's life: link, capture, watch, proof, `ready`, serve, flush.

    start  ->  link in force  ->  peers probed, capture listening  ->  ready  ->  SIGTERM  ->  stopped

Everything that takes time (tcpdump's start, the probes) runs at the same time. Whatever fails is one `error` event and
exit status 1, and everything that was put up is taken down all the same.
"""

import gc
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from netem.contract.errors import SidecarError, from_os_error, from_spec_error
from netem.contract.events import EventStream
from netem.contract.settings import Settings
from netem.engines.choose import choose_link
from netem.engines.link import Link
from netem.observe.capture import Capture
from netem.observe.surroundings import Surroundings
from netem.observe.watch import SocketWatch
from netem.probe.responder import Responder
from netem.probe.verification import Verification
from netem.sidecar.control import CONTROL_SOCKET, READY_FILE, ControlServer
from netem.sidecar.profile import ProfileRunner
from netem.spec import Impairment, SpecError, format_impairment, parse
from netem.system.output import write_link_json
from netem.system.reactor import Reactor
from netem.system.route import set_route_metrics
from netem.system.sysctls import read_sysctls

_HINT_LATE = (
    "free the host's processor, allow more with NETEM_DELAY_TOLERANCE_MS (compose: TESTBED_DELAY_TOLERANCE_MS), "
    "or do without this proof with NETEM_PROBES=0 (testbed run: --probes 0)"
)


class Supervisor:
    """Run one sidecar to its end; `run` returns the exit status."""

    def __init__(self, settings: Settings, log: EventStream) -> None:
        self._settings = settings
        self._log = log
        self._folder = Path(settings.output)
        self._reactor = Reactor()
        self._impairment = Impairment()
        self._link: Link | None = None
        self._capture: Capture | None = None
        self._watch: SocketWatch | None = None
        self._responder: Responder | None = None
        self._verification: Verification | None = None
        self._control: ControlServer | None = None
        self._profile: ProfileRunner | None = None
        self._surroundings = Surroundings(self._reactor, self._folder)
        self._ready = False
        self._failed = False

    def run(self) -> int:
        """Start, serve until SIGTERM, flush; return 0, or 1 after an `error` event."""
        try:
            self._reactor.on_signal(signal.SIGTERM, self._reactor.stop)
            self._reactor.on_signal(signal.SIGINT, self._reactor.stop)
            self._reactor.on_signal(signal.SIGUSR1, self._ask_idle)
            self._start()
            self._reactor.run()
        except SidecarError as error:
            self._report(error)
        except OSError as error:
            self._report(from_os_error("serve", error))
        self._finish()
        return 1 if self._failed else 0

    def _start(self) -> None:
        settings = self._settings
        deadline_ns = time.monotonic_ns() + int(settings.deadline_s * 1e9)
        self._reactor.call_at(deadline_ns, self._check_deadline)
        self._prepare_folders()
        self._impairment = _read_impairment(settings)
        self._profile = ProfileRunner(self._reactor, settings.profile, self._change) if settings.profile else None
        route = set_route_metrics(settings.device, settings.families, settings.route_metrics)
        later = self._profile.impairments() if self._profile is not None else ()
        link = self._link = choose_link(settings, self._impairment, later)
        link.make_devices()
        if settings.capture:
            self._start_capture(link)
        link.start()
        self._log.emit(
            "link",
            engine=link.engine,
            reason=link.reason,
            requested=format_impairment(self._impairment),
            readback=link.readback(),
            route=route,
            sysctls=read_sysctls(settings.sysctls),
        )
        if link.death_fd is not None:
            self._reactor.add_reader(link.death_fd, self._bury_engine)
        self._responder = Responder(self._reactor, lambda: format_impairment(self._impairment), self._become_ready)
        self._verification = Verification(self._reactor, settings, self._impairment, self._take_verdict)
        self._verification.start()
        self._control = ControlServer(self._reactor, CONTROL_SOCKET, self._serve)
        self._watch = SocketWatch(
            self._reactor,
            self._log,
            port=settings.port,
            interval_ms=settings.sample_interval_ms,
            folder=self._folder,
            on_traffic=self._surroundings.note_traffic,
        )
        self._watch.start()
        self._become_ready()

    def _prepare_folders(self) -> None:
        try:
            endpoint = self._folder / "endpoint"
            endpoint.mkdir(parents=True, exist_ok=True)
            endpoint.chmod(0o777)
            READY_FILE.parent.mkdir(parents=True, exist_ok=True)
            READY_FILE.unlink(missing_ok=True)
        except OSError as error:
            raise from_os_error(
                f"prepare {error.filename}", error, "mount a volume at NETEM_OUTPUT and a tmpfs at /run"
            ) from error

    def _start_capture(self, link: Link) -> None:
        self._capture = Capture(
            self._reactor,
            self._folder,
            port=self._settings.port,
            snaplen_bytes=self._settings.snaplen_bytes,
            max_bytes=self._settings.capture_max_bytes,
            on_ready=self._become_ready,
            on_failure=self._fail,
        )
        self._capture.start(link.capture_points)

    def _take_verdict(self, verification: Verification) -> None:
        self._log.emit("verified", **verification.facts())
        failures = verification.failures()
        if failures:
            raise SidecarError("verify the link", " ".join(failures), _HINT_LATE)
        self._become_ready()

    def _become_ready(self) -> None:
        """Say `ready` once everything is."""
        verification, capture = self._verification, self._capture
        if self._ready or self._watch is None or verification is None or not verification.done or self._unprobed():
            return
        if capture is not None and not capture.ready:
            return
        assert self._link is not None
        self._ready = True
        # From here on every draw, packet number and counter belongs to the endpoint's traffic.
        self._link.restart()
        if capture is not None:
            capture.mark()
        self._surroundings.start(sampling=self._settings.sample_interval_ms > 0)
        gc.freeze()
        READY_FILE.touch()
        ready_ns = self._log.emit("ready")
        if self._profile is not None:
            self._profile.start(ready_ns)

    def _unprobed(self) -> bool:
        """Whether a peer's probes are still to come; nothing may change under them, and they may use up draws."""
        if not self._settings.wait_for_probes or self._responder is None:
            return False
        return self._responder.finished < len(self._settings.families)

    def _check_deadline(self) -> None:
        if self._ready:
            return
        waiting = self._verification.unfinished() if self._verification is not None else []
        if self._capture is not None and not self._capture.ready:
            waiting.append("tcpdump is not listening")
        if self._unprobed():
            waiting.append("no peer has probed this end to the end")
        raise SidecarError(
            f"be ready within {self._settings.deadline_s:g} s",
            "; ".join(waiting) or "the link is not up",
            "start the peers' sidecars at the same time, or raise NETEM_DEADLINE_S",
        )

    def _ask_idle(self) -> None:
        if self._watch is not None:
            self._watch.ask_idle()

    def _serve(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request from the control socket."""
        if request.get("command") != "change":
            raise SidecarError("read the request", f"no command {request.get('command')!r}")
        if self._profile is not None:
            self._profile.stop()
        self._change(_parse(str(request.get("impairment", "")), self._settings))
        return {"impairment": format_impairment(self._impairment)}

    def _change(self, impairment: Impairment) -> None:
        if self._link is None:
            raise SidecarError("change the impairment", "there is no link yet")
        impairment = _with_nd(impairment, self._settings)
        self._link.change(impairment)
        self._impairment = impairment
        self._log.emit("change", impairment=format_impairment(impairment))

    def _bury_engine(self) -> None:
        """Do what was asked for the case that the engine dies; the result is an error either way."""
        assert self._link is not None
        assert self._link.death_fd is not None
        self._reactor.remove_reader(self._link.death_fd)
        error = SidecarError(
            "carry frames",
            f"the engine has died; the link is {self._settings.on_engine_death} from now on",
            "look at the sidecar's standard error, and run the cell again",
        )
        if self._settings.on_engine_death == "open":
            # The endpoint goes on over a plain link; the sidecar serves on, but ends as failed.
            self._link.bypass()
            self._report(error)
            return
        self._fail(error)

    def _fail(self, error: SidecarError) -> None:
        self._report(error)
        self._reactor.stop()

    def _report(self, error: SidecarError) -> None:
        self._failed = True
        self._log.emit("error", **error.facts())

    def _finish(self) -> None:
        """Flush, count, take everything down; one failing step does not keep the others from being taken."""
        facts: dict[str, Any] = {"counters": {}, "capture": None}
        link, capture, watch = self._link, self._capture, self._watch
        if watch is not None:
            self._attempt(lambda: facts["counters"].update(sockets=watch.stop()))
        if self._ready:
            self._attempt(lambda: facts.update(self._surroundings.stop()))
        if link is not None:
            self._attempt(lambda: facts["counters"].update(link=link.counters()))
        if capture is not None:
            self._attempt(lambda: facts.update(capture=capture.stop()))
            if facts["capture"] is not None and link is not None:
                facts["capture"]["note"] = link.capture_note
        for part in (self._verification, self._responder, self._control):
            if part is not None:
                self._attempt(part.close)
        if link is not None:
            # A sidecar that was told to go takes its namespace along; one that failed may leave others in it.
            self._attempt(link.close if self._failed else link.abandon)
        # Who hears `stopped` fetches the files: link.json must be there by then.
        stopped = self._log.record("stopped", **facts) if self._ready else ""
        self._attempt(lambda: READY_FILE.unlink(missing_ok=True))
        self._attempt(lambda: write_link_json(self._folder / "link.json", self._log.recorded))
        if stopped:
            self._log.write(stopped)

    def _attempt(self, step: Any) -> None:  # noqa: ANN401 - whatever the step returns is not looked at
        try:
            step()
        except SidecarError as error:
            # After a first failure the second is a consequence; one error event a sidecar is enough.
            if not self._failed:
                self._report(error)
        except OSError as error:
            if not self._failed:
                self._report(from_os_error("stop", error))


def _parse(text: str, settings: Settings) -> Impairment:
    try:
        return _with_nd(parse(text), settings)
    except SpecError as error:
        raise from_spec_error("read the impairment", error) from error


def _with_nd(impairment: Impairment, settings: Settings) -> Impairment:
    if not settings.impair_nd:
        return impairment
    return replace(impairment, extension=replace(impairment.extension, impair_nd=True))


def _read_impairment(settings: Settings) -> Impairment:
    return _parse(settings.impairment, settings)
