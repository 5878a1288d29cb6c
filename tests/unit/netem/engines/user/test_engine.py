"""The order in which the engine changes its process and the kernel's redirect; both write into one file."""

import contextlib
import json
import os
import selectors
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netem.contract.errors import SidecarError
from netem.engines.link import CapturePoint
from netem.engines.user import engine, redirect
from netem.engines.user.engine import UserEngine
from netem.spec import format_impairment, parse
from netem.spec.model import Impairment
from netem.system import tc

BEGIN, END, COUNT = redirect.begin("eth0", "netem0")[0], redirect.end("eth0")[0], redirect.count("eth0")[0]
NAMES = {BEGIN: "begin", END: "end", redirect.remove("eth0")[0]: "remove"}

Make = Callable[[str], UserEngine]


class FakeProcess:
    """Instead of the worker, in a process of its own: it notes each change, and refuses losses and a limit of 7.

    Before each response it sends one to an earlier request, as after a request that has timed out.
    """

    log: Path

    def __init__(self, impairment: Impairment, *_: object, **__: object) -> None:
        self._text = format_impairment(impairment)

    def serve(self, control: socket.socket) -> None:
        while request := control.recv(65_536):
            given = json.loads(request)
            control.send(json.dumps({"id": given["id"] - 1, "error": "late"}).encode())
            control.send(json.dumps(self._answer(given) | {"id": given["id"]}).encode())

    def _answer(self, request: dict[str, str]) -> dict[str, object]:
        if request["op"] == "change":
            note(self.log, f"process: {request['text']}")
            if "loss" in request["text"] or "limit 7" in request["text"]:
                return {"error": "refused"}
            self._text = request["text"]
        return {"impairment": self._text, "data_path": "c", "scheduling": "ordinary: a test"}


def note(log: Path, line: str) -> None:
    with log.open("a") as file:
        file.write(f"{line}\n")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, log: Path) -> Iterator[Make]:
    """Start an engine with a fake process, on a kernel that has counted 7 frames."""

    def batch(_attempt: str, lines: list[str]) -> list[Any]:
        for line in lines:
            if line in NAMES:
                note(log, f"redirect: {NAMES[line]}")
        return [[{"packets": 7, "bytes": 700}] for line in lines if line == COUNT]

    monkeypatch.setattr(FakeProcess, "log", log, raising=False)
    monkeypatch.setattr(engine, "Worker", FakeProcess)
    monkeypatch.setattr(engine, "open_tap", lambda *_, **__: os.open(os.devnull, os.O_RDWR))
    monkeypatch.setattr(engine, "make_persistent", lambda _: None)
    monkeypatch.setattr(engine, "open_packet_socket", lambda _: socket.socket(socket.AF_UNIX))
    monkeypatch.setattr(tc, "batch", batch)
    with contextlib.ExitStack() as started:

        def start(text: str) -> UserEngine:
            link = started.enter_context(
                contextlib.closing(UserEngine(device="eth0", impairment=parse(text), seed=0, reason=""))
            )
            link.start()
            return link

        yield start


def test_an_impairment_is_in_force_before_a_frame_meets_it(make: Make, log: Path) -> None:
    make("").change(parse("delay 5ms"))
    assert log.read_text().splitlines() == ["process: delay 5ms", "redirect: begin"]


def test_frames_stay_in_the_kernel_before_the_impairment_ends(make: Make, log: Path) -> None:
    make("delay 5ms").change(parse(""))
    assert log.read_text().splitlines() == ["redirect: begin", "redirect: end", "process: "]


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ("delay 5ms", "delay 7ms", ["redirect: begin", "process: delay 7ms"]),
        ("", "limit 5", ["process: limit 5"]),
    ],
)
def test_nothing_is_redirected_anew(make: Make, log: Path, before: str, after: str, lines: list[str]) -> None:
    make(before).change(parse(after))
    assert log.read_text().splitlines() == lines


def test_a_refused_impairment_leaves_a_plain_link_in_the_kernel(make: Make, log: Path) -> None:
    link = make("")
    with pytest.raises(SidecarError, match="refused"):
        link.change(parse("loss 5%"))
    assert log.read_text().splitlines() == ["process: loss 5%"]


def test_a_refused_end_leaves_the_link_impaired(make: Make, log: Path) -> None:
    link = make("delay 5ms")
    with pytest.raises(SidecarError, match="refused"):
        link.change(parse("limit 7"))
    assert log.read_text().splitlines() == ["redirect: begin", "redirect: end", "process: limit 7", "redirect: begin"]


@pytest.mark.parametrize("text", ["", "delay 5ms"])
def test_a_dead_link_is_blocked_for_good(make: Make, log: Path, text: str) -> None:
    link = make(text)
    link.block()
    link.close()
    assert log.read_text().splitlines() == ["redirect: begin"]


def test_a_link_that_did_not_die_is_plain_after_its_end(make: Make, log: Path) -> None:
    make("delay 5ms").close()
    assert log.read_text().splitlines() == ["redirect: begin", "redirect: remove"]


def test_only_the_end_of_the_process_is_its_death(make: Make) -> None:
    link = make("delay 5ms")
    with selectors.DefaultSelector() as selector:
        assert link.death_fd is not None
        selector.register(link.death_fd, selectors.EVENT_READ)
        link.restart()
        assert not selector.select(timeout=0)
        link.abandon()
        assert selector.select(timeout=10)


def test_counters_name_the_path_and_what_passed_it(make: Make) -> None:
    link = make("")
    counted = link.counters()
    assert (counted["data_path"], counted["bypassed"]) == ("kernel", {"packets": 7, "bytes": 700})
    link.restart()
    link.change(parse("delay 5ms"))
    counted = link.counters()
    assert (counted["data_path"], counted["bypassed"]) == ("c", {"packets": 0, "bytes": 0})


@pytest.mark.parametrize(
    ("text", "targets", "path"), [("", ["netem1"], "kernel"), ("delay 5ms", ["netem0", "netem1"], "c")]
)
def test_the_readback_shows_what_is_redirected(
    make: Make, monkeypatch: pytest.MonkeyPatch, text: str, targets: list[str], path: str
) -> None:
    rules = [{"options": {"actions": [{"to_dev": target}]}} for target in targets]
    monkeypatch.setattr(tc, "show", lambda *_: rules)
    assert make(text).readback() == {"impairment": text, "data_path": path, "redirect": targets}


def test_both_directions_are_captured_on_the_device() -> None:
    """Frames that have stayed in the kernel pass it alone, and those of the engine are not shown there."""
    link = UserEngine(device="eth0", impairment=Impairment(), seed=0, reason="")
    assert link.capture_points == (CapturePoint("netem0"), CapturePoint("eth0"))
