from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from testbed.errors import HostError
from testbed.run import machines
from testbed.run.machines import Guests, HostOnly, Machine
from testbed.vm.errors import GuestError
from tests.support.fake_engine import FakeEngine


class Engine(FakeEngine):
    """A guest's engine, with an empty store."""

    def __init__(self, address: str, timeout_s: float = 60) -> None:
        super().__init__()
        self.timeout_s = timeout_s
        self.address = address

    def connect(self) -> None: ...
    def close(self) -> None: ...


class Guest:
    """A guest that boots at once."""

    up: ClassVar[list[str]] = []
    last: ClassVar["Guest"]
    journal: ClassVar[list[str]] = []
    emulated = True

    def __init__(self, image: Any, **_: object) -> None:
        self.name = image.name
        self.docker_url = f"unix:///{image.name}"
        self.dead = ""
        Guest.last = self

    def __enter__(self) -> "Guest":
        assert not self.up, "one guest at a time"
        self.up.append(self.name)
        self.journal.append(f"boot {self.name}")
        return self

    def __exit__(self, *_: object) -> None:
        self.up.remove(self.name)

    @property
    def facts(self) -> Any:
        return SimpleNamespace(name=self.name, emulated=True)

    def sysctls(self, _names: object) -> dict[str, str]:
        return {"net.ipv4.tcp_sack": "1"}

    def failure(self, attempt: str) -> GuestError | None:
        return GuestError(attempt, self.dead) if self.dead else None


@pytest.fixture
def machines_of_a_run(monkeypatch: pytest.MonkeyPatch) -> Guests:
    def ensure(kernel: str, *_: object) -> Any:
        Guest.journal.append(f"ensure {kernel}")
        if kernel == "sid":
            raise GuestError("find the kernel sid", "Debian does not offer it now")
        return SimpleNamespace(name=kernel)

    Guest.up, Guest.journal = [], []
    monkeypatch.setattr("testbed.vm.build.ensure", ensure)
    monkeypatch.setattr("testbed.vm.guest.Guest", Guest)
    monkeypatch.setattr(machines, "DockerEngine", Engine)
    monkeypatch.setattr(
        machines, "asdict", lambda facts: {"kernel": facts.name, "boot_s": 1, "accelerator": "tcg", "emulated": True}
    )
    images: Any = SimpleNamespace(ours=lambda name: (name, None))
    return Guests(Engine("host"), images, lambda _line: None)


def test_the_host_needs_no_guest(machines_of_a_run: Guests) -> None:
    with machines_of_a_run as guests:
        machine = guests.at("host", [])
    assert (machine.facts, machine.emulated, machine.failure()) == ({}, False, None)
    assert Guest.journal == []


def test_a_guest_is_shared_until_another_is_requested(machines_of_a_run: Guests) -> None:
    with machines_of_a_run as guests:
        first = guests.at("bookworm", [])
        assert guests.at("bookworm", []) is first
        assert guests.at("host", []).facts == {}
        assert guests.at("bookworm", []) is first
        assert first.emulated
        assert first.engine.timeout_s > 60  # type: ignore[attr-defined]
        assert first.facts["sysctls"] == {"net.ipv4.tcp_sack": "1"}
        guests.at("trixie", [])
    assert Guest.journal == ["ensure bookworm", "boot bookworm", "ensure trixie", "boot trixie"]
    assert Guest.up == []


def test_a_guest_that_has_died_is_booted_again(machines_of_a_run: Guests) -> None:
    with machines_of_a_run as guests:
        first = guests.at("bookworm", [])
        Guest.last.dead = "the guest has ended"
        failure = first.failure()
        assert failure is not None
        assert failure.message == "run a cell with kernel bookworm: the guest has ended"
        assert guests.at("bookworm", []).failure() is None
    assert Guest.journal.count("boot bookworm") == 2


def test_a_kernel_that_is_unavailable_is_requested_once(machines_of_a_run: Guests) -> None:
    with machines_of_a_run as guests:
        for _ in range(3):
            with pytest.raises(GuestError, match="does not offer it"):
                guests.at("sid", [])
        assert guests.at("bookworm", []).emulated
    assert Guest.journal == ["ensure sid", "ensure bookworm", "boot bookworm"]


def test_images_that_the_guest_lacks_are_copied_once(machines_of_a_run: Guests) -> None:
    with machines_of_a_run as guests:
        machine = guests.at("bookworm", ["testbed-client:1"])
        guests.at("bookworm", ["testbed-client:1", "an/image:1"])
    engine = machine.engine
    assert isinstance(engine, Engine)
    assert engine.copied == ["testbed-client:1", "an/image:1"]


def test_a_run_without_guests() -> None:
    machine = HostOnly(FakeEngine()).at("host", [])
    assert isinstance(machine, Machine)
    with pytest.raises(HostError, match="run with kernel bookworm"):
        HostOnly(FakeEngine()).at("bookworm", [])
