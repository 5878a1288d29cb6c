from typing import Any

import pytest

from netem.contract.errors import SidecarError
from netem.engines.user import redirect
from netem.engines.user.egress import Egress
from netem.system import tc

BEGIN, END, COUNT = redirect.begin("eth0", "netem0")[0], redirect.end("eth0")[0], redirect.count("eth0")[0]


class Kernel:
    """The hook of a device: how many frames have reached it, and the commands that were run."""

    def __init__(self) -> None:
        self.packets = 0
        self.lines: list[str] = []
        self.targets = ["netem1"]
        self.failing = ""

    def pass_frames(self, packets: int) -> None:
        self.packets += packets

    def batch(self, attempt: str, lines: list[str]) -> list[Any]:
        if self.failing in lines:
            raise SidecarError(attempt, "refused")
        self.lines += lines
        reading = [{"kind": "clsact", "packets": self.packets, "bytes": 100 * self.packets}]
        return [reading for line in lines if line == COUNT]

    def show(self, *words: str) -> list[dict[str, Any]]:
        assert words == ("filter", "show", "dev", "eth0", "egress")
        rules = [{"options": {"actions": [{"to_dev": target}]}} for target in self.targets]
        return [{"protocol": "all"}, *rules, *rules]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(tc, "batch", made.batch)
    monkeypatch.setattr(tc, "show", made.show)
    return made


@pytest.fixture
def egress() -> Egress:
    return Egress("eth0", "netem0", "netem1")


@pytest.mark.parametrize("redirected", [False, True])
def test_a_plain_link_redirects_the_probes_alone(kernel: Kernel, egress: Egress, *, redirected: bool) -> None:
    egress.install(redirected=redirected)
    assert kernel.lines == redirect.install("eth0", "netem1") + [BEGIN] * redirected
    assert egress.redirected is redirected


def test_only_a_change_changes_the_redirect(kernel: Kernel, egress: Egress) -> None:
    egress.install(redirected=False)
    kernel.lines.clear()
    for change in (egress.end_redirect, egress.begin_redirect, egress.begin_redirect, egress.end_redirect):
        change()
    assert kernel.lines == [BEGIN, COUNT, END, COUNT]


def test_frames_count_while_they_stay_in_the_kernel(kernel: Kernel, egress: Egress) -> None:
    egress.install(redirected=False)
    kernel.pass_frames(1)  # before the measured traffic
    egress.restart()
    assert egress.bypassed() == {"packets": 0, "bytes": 0}
    kernel.pass_frames(10)
    assert egress.bypassed() == {"packets": 10, "bytes": 1000}
    kernel.pass_frames(5)
    egress.begin_redirect()
    kernel.pass_frames(1000)
    assert egress.bypassed() == {"packets": 15, "bytes": 1500}
    egress.end_redirect()
    kernel.pass_frames(7)
    assert egress.bypassed() == {"packets": 22, "bytes": 2200}
    egress.remove()
    assert egress.bypassed() == {"packets": 22, "bytes": 2200}


def test_nothing_has_stayed_in_the_kernel_when_all_was_redirected(kernel: Kernel, egress: Egress) -> None:
    egress.install(redirected=True)
    kernel.pass_frames(10)
    egress.restart()
    kernel.pass_frames(10)
    assert egress.bypassed() == {"packets": 0, "bytes": 0}
    assert COUNT not in kernel.lines


def test_a_refused_change_changes_nothing(kernel: Kernel, egress: Egress) -> None:
    egress.install(redirected=False)
    kernel.failing = BEGIN
    with pytest.raises(SidecarError):
        egress.begin_redirect()
    assert not egress.redirected
    kernel.pass_frames(3)
    assert egress.bypassed()["packets"] == 3


def test_nothing_is_changed_before_the_beginning_and_after_the_end(kernel: Kernel, egress: Egress) -> None:
    egress.begin_redirect()
    egress.remove()
    assert not kernel.lines
    egress.install(redirected=True)
    egress.remove()
    egress.remove()
    egress.begin_redirect()
    assert kernel.lines[-1] == redirect.remove("eth0")[0]
    assert kernel.lines.count(kernel.lines[-1]) == 1


def test_the_targets_are_read_back(kernel: Kernel, egress: Egress) -> None:
    egress.install(redirected=False)
    assert egress.targets() == ["netem1"]
    egress.begin_redirect()
    with pytest.raises(SidecarError, match="netem1"):
        egress.targets()
    kernel.targets = ["netem0", "netem1"]
    assert egress.targets() == ["netem0", "netem1"]
    egress.end_redirect()
    with pytest.raises(SidecarError, match="netem0"):
        egress.targets()
