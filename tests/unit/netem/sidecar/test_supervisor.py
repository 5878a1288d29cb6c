import gc
import json
import os
import signal
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from netem.contract.errors import SidecarError
from netem.spec import format_impairment
from netem.system.reactor import Reactor
from tests.support.sidecar_parts import SidecarLab

TEARDOWN = {
    "route": [],
    "link": [],
    "link.make_devices": ["link.close"],
    "capture": ["link.close"],
    "capture.start": ["capture.stop", "link.close"],
    "link.start": ["capture.stop", "link.close"],
    "link.readback": ["link.counters", "capture.stop", "link.close"],
    "sysctls": ["link.counters", "capture.stop", "link.close"],
    "responder": ["link.counters", "capture.stop", "link.close"],
    "verification delay 5ms": ["responder.close", "link.counters", "capture.stop", "link.close"],
    "verification.start": ["verification.close", "responder.close", "link.counters", "capture.stop", "link.close"],
    "control": ["verification.close", "responder.close", "link.counters", "capture.stop", "link.close"],
}
"""What undoes a start that fails at a step, in order."""
TEARDOWN["monitor"] = TEARDOWN["sampler"] = ["control.close", *TEARDOWN["control"]]
TEARDOWN["sampler.start"] = ["sampler.stop", *TEARDOWN["sampler"]]

STOP = ["sampler.stop", "monitor.stop", *TEARDOWN["sampler"][:-1], "link.abandon"]
"""What ends a sidecar that became ready."""


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
    made = Reactor()
    yield made
    made.close()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    gc.unfreeze()


Make = Callable[..., SidecarLab]


@pytest.fixture
def make(reactor: Reactor, tmp_path: Path) -> Make:
    return lambda **settings: SidecarLab(reactor, tmp_path, **{"impairment": "delay 5ms", **settings})


def send(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def names(lab: SidecarLab) -> list[str]:
    return [event["event"] for event in lab.events]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_it_is_ready_once_all_parts_are(make: Make, order: tuple[int, ...]) -> None:
    lab = make(wait_for_probes=True, families=("ipv4", "ipv6"))

    def finish_both() -> None:
        lab.parts.responder_made.finish()
        assert not lab.named("ready")
        lab.parts.responder_made.finish()

    parts = [lab.capture_listens, lab.verification_ends, finish_both]
    observed: list[bool] = []
    for index in order:
        lab.script(lambda: observed.append(lab.ready_file.exists()), parts[index])
    lab.script(lambda: observed.append(lab.ready_file.exists()), lab.reactor.stop)
    assert lab.run() == 0
    assert observed == [False, False, False, True]
    assert len(lab.named("ready")) == 1


def test_the_peers_probes_are_awaited_only_on_request(make: Make) -> None:
    lab = make(wait_for_probes=False)
    lab.script(lab.become_ready, lab.reactor.stop)
    assert lab.run() == 0
    assert lab.named("ready")


def test_the_lifecycle_in_order(make: Make) -> None:
    lab = make()
    lab.script(lab.become_ready, lab.reactor.stop)
    assert lab.run() == 0
    assert names(lab) == ["link", "verified", "ready", "stopped"]
    assert lab.calls.made == [
        *("route", "link", "link.make_devices", "capture", "capture.start", "link.start"),
        *("drop_privileges", "link.readback", "sysctls"),
        *("responder", "verification delay 5ms", "verification.start", "control"),
        *("monitor", "sampler", "sampler.start"),
        *("link.restart", "capture.mark", "monitor.start sampling=True"),
        *STOP,
    ]
    (link,) = lab.named("link")
    assert {
        key: link[key] for key in ("engine", "reason", "requested", "readback", "scheduling", "route", "sysctls")
    } == {
        "engine": "fake",
        "reason": "a test",
        "requested": "delay 5ms",
        "readback": "read back",
        "scheduling": "ordinary: a test",
        "route": {"ipv4": {}},
        "sysctls": {},
    }


def test_link_json_is_there_before_stopped_is_printed(make: Make) -> None:
    lab = make()
    lab.script(lab.become_ready, lab.reactor.stop)
    lab.run()
    (stopped,) = lab.named("stopped")
    assert lab.link_json_when_stopped["stopped"] == stopped
    assert stopped["counters"] == {"sockets": {"samples": 5}, "link": {"frames": 7}}
    assert stopped["capture"] == {"frames": 3, "note": "noted"}
    assert (stopped["tcp"], stopped["host"]) == ({}, None)
    assert not lab.ready_file.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_whether_ready_or_not(make: Make, number: signal.Signals) -> None:
    lab = make()
    lab.script(send(number))
    assert lab.run() == 0
    assert names(lab) == ["link"]
    assert "monitor.stop" not in lab.calls.made
    assert lab.link_json()["link"]["engine"] == "fake"


def test_sigusr1_requests_idle(make: Make) -> None:
    lab = make()

    def send_and_end() -> None:
        lab.parts.sampler_made.on_idle_request = lab.reactor.stop
        os.kill(os.getpid(), signal.SIGUSR1)

    lab.script(send_and_end)
    assert lab.run() == 0
    assert "sampler.request_idle" in lab.calls.made


@pytest.mark.parametrize("step", TEARDOWN)
def test_a_start_that_fails_is_undone_in_reverse_order(make: Make, step: str) -> None:
    lab = make()
    lab.fail(step)
    assert lab.run() == 1
    failed_at = lab.calls.made.index(step)
    assert lab.calls.made[failed_at + 1 :] == TEARDOWN[step]
    (error,) = lab.named("error")
    assert (error["attempt"], error["message"]) == (f"try {step}", "refused")
    assert lab.link_json()["errors"] == [error]
    assert not lab.named("ready") + lab.named("stopped")


@pytest.mark.parametrize("failure", [SidecarError("stop it", "no"), OSError(5, "worn out")])
@pytest.mark.parametrize("step", STOP)
def test_a_failing_step_of_the_teardown_does_not_prevent_the_others(make: Make, step: str, failure: Exception) -> None:
    lab = make()
    lab.fail(step, failure)
    lab.script(lab.become_ready, lab.reactor.stop)
    assert lab.run() == 1
    # After an error the link is closed: others may still be in the namespace.
    expected = [*STOP[:-1], "link.close" if step != "link.abandon" else step]
    assert lab.calls.made[-len(STOP) :] == expected
    (error,) = lab.named("error")
    assert error["message"] in ("no", "worn out")
    assert names(lab)[-1] == "stopped"
    assert lab.link_json()["errors"] == [error]


def test_only_the_first_error_of_a_teardown_is_reported(make: Make) -> None:
    lab = make()
    for step in STOP:
        lab.fail(step)
    lab.script(lab.become_ready, lab.reactor.stop)
    assert lab.run() == 1
    (error,) = lab.named("error")
    assert error["attempt"] == "try sampler.stop"


def test_a_bug_is_not_swallowed_and_the_link_is_closed(make: Make) -> None:
    lab = make()
    lab.fail("sampler.start", ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        lab.run()
    assert lab.calls.made[-1] == "link.close"


@pytest.mark.parametrize(
    ("settings", "attempt"),
    [
        ({"impairment": "delay"}, "read the impairment"),
        ({"profile": "{"}, "read the profile"),
    ],
)
def test_a_bad_text_starts_nothing(make: Make, settings: dict[str, Any], attempt: str) -> None:
    lab = make(**settings)
    assert lab.run() == 1
    assert lab.calls.made == []
    assert [error["attempt"] for error in lab.named("error")] == [attempt]


def test_an_output_folder_that_cannot_be_made(make: Make, tmp_path: Path) -> None:
    (tmp_path / "output").write_text("a file")
    lab = make()
    assert lab.run() == 1
    (error,) = lab.named("error")
    assert error["attempt"].startswith("prepare ")
    assert "NETEM_OUTPUT" in error["hint"]


def test_the_endpoint_may_write_into_its_folder(make: Make, tmp_path: Path) -> None:
    lab = make()
    lab.script(lab.reactor.stop)
    lab.run()
    assert (tmp_path / "output" / "endpoint").stat().st_mode & 0o777 == 0o777


def test_the_deadline_names_what_is_awaited(make: Make) -> None:
    lab = make(deadline_s=0.001, wait_for_probes=True)
    assert lab.run() == 1
    (error,) = lab.named("error")
    assert error["attempt"] == "be ready within 0.001 s"
    assert error["message"] == (
        "tcpdump is not listening; server over ipv4: waits; still waiting for a peer to finish probing"
    )


def test_the_deadline_does_not_name_what_is_done(make: Make) -> None:
    lab = make(deadline_s=0.001)
    lab.script(lab.verification_ends)
    assert lab.run() == 1
    (error,) = lab.named("error")
    assert error["message"] == "tcpdump is not listening"


def test_a_deadline_after_ready_is_none(make: Make) -> None:
    lab = make(deadline_s=0.0)
    lab.script(lab.become_ready)
    lab.reactor.call_later(1_000_000, lab.reactor.stop)
    assert lab.run() == 0


def test_a_link_that_fails_its_verification_is_an_error(make: Make) -> None:
    lab = make()
    lab.script(lambda: lab.verification_ends("too late.", "too few."))
    assert lab.run() == 1
    assert names(lab) == ["link", "verified", "error"]
    (error,) = lab.named("error")
    assert (error["attempt"], error["message"]) == ("verify the link", "too late. too few.")
    assert "NETEM_PROBES=0" in error["hint"]


def test_a_capture_that_ends_by_itself_is_an_error(make: Make) -> None:
    lab = make()
    lab.script(lab.become_ready, lambda: lab.parts.capture_made.fail(SidecarError("capture", "ended")))
    assert lab.run() == 1
    assert names(lab)[-2:] == ["error", "stopped"]
    assert lab.calls.made[-1] == "link.close"


def test_a_dead_engine_with_a_closed_link_ends_the_sidecar(make: Make) -> None:
    lab = make(on_engine_death="closed")
    lab.script(lab.become_ready, lab.let_engine_die())
    assert lab.run() == 1
    assert names(lab) == ["link", "verified", "ready", "error", "stopped"]
    (error,) = lab.named("error")
    assert error["message"] == "the emulation engine died; the link is closed from now on"
    assert "link.bypass" not in lab.calls.made
    assert lab.calls.made.index("link.block") < lab.calls.made.index("capture.stop")
    assert lab.calls.made[-1] == "link.close"


def test_a_link_that_cannot_be_closed_does_not_hide_the_death(make: Make) -> None:
    lab = make(on_engine_death="closed")
    lab.fail("link.block")
    lab.script(lab.become_ready, lab.let_engine_die())
    assert lab.run() == 1
    assert [error["attempt"] for error in lab.named("error")] == ["forward frames"]


def test_a_dead_engine_with_an_open_link_leaves_the_sidecar_serving(make: Make) -> None:
    lab = make(on_engine_death="open")
    lab.script(lab.become_ready, lab.let_engine_die())
    lab.reactor.call_later(2_000_000, send(signal.SIGTERM))
    assert lab.run() == 1
    assert names(lab) == ["link", "verified", "ready", "error", "stopped"]
    (error,) = lab.named("error")
    assert error["message"] == "the emulation engine died; the link is open from now on"
    assert lab.calls.made.count("link.bypass") == 1
    assert "link.block" not in lab.calls.made
    assert lab.calls.made[-1] == "link.close"


def test_a_request_changes_the_link_and_ends_the_profile(make: Make) -> None:
    lab = make(profile=json.dumps([{"at": "1ms", "netem": "delay 9ms"}]))
    answers: list[dict[str, Any]] = []

    def request() -> None:
        answers.append(lab.parts.control_made.request({"command": "change", "impairment": "delay 7ms"}))

    lab.script(lab.become_ready, request)
    lab.reactor.call_later(3_000_000, lab.reactor.stop)
    assert lab.run() == 0
    assert answers == [{"impairment": "delay 7ms"}]
    assert [change["impairment"] for change in lab.named("change")] == ["delay 7ms"]
    assert lab.parts.responder_made.describe() == "delay 7ms"


def test_a_profile_begins_at_ready_and_the_link_is_chosen_for_all_of_it(make: Make) -> None:
    lab = make(impair_nd=True, profile=json.dumps([{"at": "0s", "netem": "delay 8ms"}]))
    lab.reactor.call_later(1_000_000, lab.become_ready)
    lab.reactor.call_later(2_000_000, lab.reactor.stop)
    assert lab.run() == 0
    assert [format_impairment(each) for each in lab.parts.later] == ["delay 8ms"]
    assert names(lab) == ["link", "verified", "ready", "change", "stopped"]
    assert lab.named("change")[0]["impairment"] == "delay 8ms nd"


def test_in_a_namespace_that_stays_the_devices_are_removed_after_the_files(make: Make) -> None:
    lab = make()
    lab.script(lab.become_ready, lab.reactor.stop)
    assert lab.run_in_session() == (0, 0)
    assert lab.calls.made[-3:] == ["link.bypass", "files are sent", "link.close"]
    assert names(lab)[-1] == "stopped"


def test_in_a_namespace_that_stays_a_failed_release_is_an_error(make: Make) -> None:
    lab = make()
    lab.fail("link.close")
    lab.script(lab.become_ready, lab.reactor.stop)
    assert lab.run_in_session() == (0, 1)
    assert names(lab)[-2:] == ["stopped", "error"]


def test_in_a_namespace_that_stays_a_failed_cell_closes_its_link_once(make: Make) -> None:
    lab = make()
    lab.fail("responder")
    assert lab.run_in_session() == (1, 1)
    assert lab.calls.made.count("link.close") == 1
    assert "link.bypass" not in lab.calls.made
