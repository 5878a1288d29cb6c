import json
from typing import Any

import pytest

from netem.contract.errors import SidecarError
from netem.contract.events import EventStream
from netem.sidecar.impairment import ActiveImpairment, ChangeHandler, read_impairment
from netem.spec import format_impairment, parse
from tests.support.sidecar_parts import Calls, FakeLink


class Lab:
    def __init__(self, *, impair_nd: bool = False) -> None:
        self.calls = Calls()
        self.link = FakeLink(self.calls, None)
        self.lines: list[str] = []
        events = EventStream(self.lines.append, lambda: 1, lambda: 2)
        self.active = ActiveImpairment(self.link, events, parse("delay 1ms"), impair_nd=impair_nd)
        self.handler = ChangeHandler(self.active, lambda: self.calls.note("profile.stop"))

    def changes(self) -> list[str]:
        return [json.loads(line)["impairment"] for line in self.lines]


@pytest.mark.parametrize(("impair_nd", "expected"), [(False, "delay 5ms"), (True, "delay 5ms nd")])
def test_the_setting_adds_a_word(impair_nd: bool, expected: str) -> None:
    assert format_impairment(read_impairment("delay 5ms", impair_nd=impair_nd)) == expected
    lab = Lab(impair_nd=impair_nd)
    lab.active.change(parse("delay 5ms"))
    assert lab.active.text() == expected
    assert lab.changes() == [expected]
    assert [format_impairment(each) for each in lab.link.changes] == [expected]


def test_a_text_that_is_no_impairment_is_rejected() -> None:
    with pytest.raises(SidecarError, match="read the impairment"):
        read_impairment("delay", impair_nd=False)


def test_a_request_changes_the_link_and_ends_the_profile() -> None:
    lab = Lab()
    answer = lab.handler.handle({"command": "change", "impairment": "delay 2ms"})
    assert answer == {"impairment": "delay 2ms"}
    assert lab.calls.made == ["profile.stop", "link.change"]
    assert lab.changes() == ["delay 2ms"]


@pytest.mark.parametrize("request_", [{}, {"command": "stop"}, {"command": "change", "impairment": "delay"}])
def test_a_bad_request_changes_nothing(request_: dict[str, Any]) -> None:
    lab = Lab()
    with pytest.raises(SidecarError, match="read the"):
        lab.handler.handle(request_)
    assert (lab.active.text(), lab.changes(), lab.link.changes) == ("delay 1ms", [], [])


def test_a_change_that_the_link_rejects_is_not_reported() -> None:
    lab = Lab()
    lab.calls.failures["link.change"] = SidecarError("change it", "refused")
    with pytest.raises(SidecarError, match="refused"):
        lab.active.change_to_text("delay 2ms")
    assert (lab.active.text(), lab.changes()) == ("delay 1ms", [])
