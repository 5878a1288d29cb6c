from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from testbed.errors import HostError
from testbed.run import machines
from testbed.run.machines import Guests, HostOnly, Machine
from testbed.schedule.guests import RESERVED_BYTES
from testbed.schedule.needs import GUEST_BYTES
from testbed.stack.cancel import CanceledError, active_cancel
from testbed.vm.errors import GuestError
from tests.support.fake_engine import FakeEngine

WAIT_S = 30
ENOUGH = GUEST_BYTES + RESERVED_BYTES


class Engine(FakeEngine):
    """A guest's engine, with an empty store."""

    def __init__(self, address: str, timeout_s: float = 60) -> None:
        super().__init__()
        self.timeout_s = timeout_s
        self.address = address

    def connect(self) -> None: ...
    def close(self) -> None: ...


class Guest:
    """A guest that boots at once, unless `hold` names it: then it boots when the test lets it, or is stopped."""

    up: ClassVar[list[str]] = []
    last: ClassVar[dict[str, "Guest"]] = {}
    journal: ClassVar[list[str]] = []
    hold: ClassVar[dict[str, Event]] = {}
    booting: ClassVar[Event] = Event()
    broken: ClassVar[set[str]] = set()

    def __init__(self, image: Any, **_: object) -> None:
        self.name = image.name
        self.docker_url = f"unix:///{image.name}"
        self.dead = ""

    def __enter__(self) -> "Guest":
        self.journal.append(f"boot {self.name}")
        held = self.hold.get(self.name)
        if held is not None:
            aborted = Event()

            def abort() -> None:
                aborted.set()
                held.set()

            with active_cancel().stopping(f"boot {self.name}", abort):
                self.booting.set()
                assert held.wait(WAIT_S)
                if aborted.is_set():
                    raise GuestError(f"boot {self.name}", "the guest has stopped")
        if self.name in self.broken:
            raise GuestError(f"boot {self.name}", "no reply")
        self.up.append(self.name)
        self.last[self.name] = self
        return self

    def __exit__(self, *_: object) -> None:
        self.up.remove(self.name)
        self.journal.append(f"stop {self.name}")

    @property
    def facts(self) -> Any:
        return SimpleNamespace(name=self.name, emulated=True)

    def sysctls(self, _names: object) -> dict[str, str]:
        return {"net.ipv4.tcp_sack": "1"}

    def failure(self, attempt: str) -> GuestError | None:
        return GuestError(attempt, self.dead) if self.dead else None


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Guests]:
    def ensure(kernel: str, *_: object) -> Any:
        Guest.journal.append(f"ensure {kernel}")
        if kernel == "sid":
            raise GuestError("find the kernel sid", "Debian does not offer it now")
        return SimpleNamespace(name=kernel)

    Guest.up, Guest.journal, Guest.hold, Guest.last, Guest.broken = [], [], {}, {}, set()
    Guest.booting = Event()
    monkeypatch.setattr("testbed.vm.build.ensure", ensure)
    monkeypatch.setattr("testbed.vm.guest.Guest", Guest)
    monkeypatch.setattr("testbed.stack.docker_engine.DockerEngine", Engine)
    monkeypatch.setattr(
        machines, "asdict", lambda facts: {"kernel": facts.name, "boot_s": 1, "accelerator": "tcg", "emulated": True}
    )
    images: Any = SimpleNamespace(ours=lambda name: (name, None))
    return lambda **options: Guests(Engine("host"), images, lambda _line: None, **options)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as given:
        yield given


class Cells:
    """Cells that enter guests in threads of their own and stay until they are let go."""

    def __init__(self, pool: ThreadPoolExecutor, guests: Guests) -> None:
        self._pool = pool
        self._guests = guests
        self.leave = Event()

    @contextmanager
    def inside(self) -> Iterator["Cells"]:
        try:
            yield self
        finally:
            self.leave.set()

    def enter(self, kernel: str) -> "tuple[Future[Machine], Future[None]]":
        entered: Future[Machine] = Future()

        def cell() -> None:
            try:
                with self._guests.lease(kernel, []) as machine:
                    entered.set_result(machine)
                    assert self.leave.wait(WAIT_S)
            except BaseException as error:
                if not entered.done():
                    entered.set_exception(error)
                raise

        return entered, self._pool.submit(cell)


def boots() -> list[str]:
    return [line for line in Guest.journal if not line.startswith("ensure")]


def test_the_host_needs_no_guest(make: Callable[..., Guests]) -> None:
    with make() as guests, guests.lease("host", []) as machine:
        assert (machine.facts, machine.emulated, machine.failure()) == ({}, False, None)
    assert Guest.journal == []


def test_a_guest_stays_for_the_cells_of_its_kernel(make: Callable[..., Guests]) -> None:
    with make() as guests:
        with guests.lease("bookworm", []) as first:
            assert first.emulated
            assert first.engine.timeout_s > 60  # type: ignore[attr-defined]
            assert first.facts["sysctls"] == {"net.ipv4.tcp_sack": "1"}
        with guests.lease("bookworm", []) as again, guests.lease("host", []) as host:
            assert (again is first, host.facts) == (True, {})
        with guests.lease("trixie", []):
            assert Guest.up == ["bookworm", "trixie"], "several kernels at a time"
        assert guests.url("bookworm") == "unix:///bookworm"
    assert boots() == ["boot bookworm", "boot trixie", "stop bookworm", "stop trixie"]


def test_a_guest_boots_once_for_all_that_wait_for_it(make: Callable[..., Guests], pool: ThreadPoolExecutor) -> None:
    Guest.hold = {"bookworm": Event()}
    with make() as guests, Cells(pool, guests).inside() as cells:
        entered = [cells.enter("bookworm")[0] for _ in range(4)]
        assert Guest.booting.wait(WAIT_S)
        with guests.lease("host", []), guests.lease("trixie", []):
            assert not any(each.done() for each in entered), "a boot delays no cell of another machine"
        Guest.hold["bookworm"].set()
        assert len({id(each.result(WAIT_S)) for each in entered}) == 1
    assert boots().count("boot bookworm") == 1


def test_a_guest_stops_after_the_last_cell_that_needs_it(make: Callable[..., Guests], pool: ThreadPoolExecutor) -> None:
    with make() as guests:
        with Cells(pool, guests).inside() as cells:
            (entered, done), (other, other_done) = cells.enter("bookworm"), cells.enter("bookworm")
            assert entered.result(WAIT_S) is other.result(WAIT_S)
            guests.retire("bookworm")
            assert Guest.up == ["bookworm"], "cells are in it"
        done.result(WAIT_S)
        other_done.result(WAIT_S)
        assert Guest.up == []
        with guests.lease("trixie", []):
            pass
        guests.retire("trixie")
        guests.retire("host")
        assert Guest.up == []
        with guests.lease("trixie", []):
            assert Guest.up == ["trixie"], "the repetition of a cell boots it again"
        assert Guest.up == []


def test_guests_of_several_runs_stay(make: Callable[..., Guests]) -> None:
    with make(stay=True) as guests:
        with guests.lease("bookworm", []):
            pass
        guests.retire("bookworm")
        assert Guest.up == ["bookworm"]
        guests.close()
        assert Guest.up == []


def test_a_guest_that_has_failed_fails_its_cells_and_is_booted_again_once(
    make: Callable[..., Guests], pool: ThreadPoolExecutor
) -> None:
    with make() as guests, ExitStack() as inside:
        first = inside.enter_context(guests.lease("bookworm", []))
        beside = inside.enter_context(guests.lease("trixie", []))
        Guest.last["bookworm"].dead = "the guest has ended"
        failure = first.failure()
        assert failure is not None
        assert failure.message == "run a cell with kernel bookworm: the guest has ended"
        with Cells(pool, guests).inside() as cells:
            later = [cells.enter("bookworm")[0] for _ in range(3)]
            assert {each.result(WAIT_S).failure() for each in later} == {None}
        assert beside.failure() is None
        inside.close()
        assert boots().count("boot bookworm") == 2
        assert boots().count("stop bookworm") == 1, "the last cell of the first one has left it"
    assert Guest.up == []


def test_an_idle_guest_that_has_failed_is_removed(make: Callable[..., Guests]) -> None:
    with make() as guests:
        with guests.lease("bookworm", []):
            pass
        Guest.last["bookworm"].dead = "the guest has ended"
        with guests.lease("bookworm", []):
            assert boots() == ["boot bookworm", "stop bookworm", "boot bookworm"]


def test_a_kernel_that_is_unavailable_is_requested_once(make: Callable[..., Guests], pool: ThreadPoolExecutor) -> None:
    with make() as guests:
        for _ in range(3):
            with pytest.raises(GuestError, match="does not offer it"), guests.lease("sid", []):
                pytest.fail("there is no such kernel")
        with guests.lease("bookworm", []) as machine:
            assert machine.emulated
        Guest.hold, Guest.broken = {"trixie": Event()}, {"trixie"}
        with Cells(pool, guests).inside() as cells:
            waiting = [cells.enter("trixie")[0] for _ in range(3)]
            assert Guest.booting.wait(WAIT_S)
            Guest.hold["trixie"].set()
            assert len({str(each.exception(WAIT_S)) for each in waiting}) == 1
    assert [line for line in Guest.journal if "sid" in line or "trixie" in line] == [
        *("ensure sid", "ensure trixie", "boot trixie")
    ]


def test_boots_are_stopped_and_may_be_repeated(make: Callable[..., Guests], pool: ThreadPoolExecutor) -> None:
    """As Ctrl-C does: whoever waits for a boot gets an interruption, whoever is in a guest stays."""
    with make() as guests, Cells(pool, guests).inside() as cells, guests.lease("trixie", []) as beside:
        Guest.hold = {"bookworm": Event()}
        waiting = [cells.enter("bookworm")[0] for _ in range(2)]
        assert Guest.booting.wait(WAIT_S)
        guests.cancel_boots()
        assert [type(each.exception(WAIT_S)) for each in waiting] == [CanceledError] * 2
        assert (beside.failure(), Guest.up) == (None, ["trixie"])
        Guest.hold = {}
        with guests.lease("bookworm", []):
            assert Guest.up == ["trixie", "bookworm"]


def test_the_end_stops_a_guest_that_boots(make: Callable[..., Guests], pool: ThreadPoolExecutor) -> None:
    Guest.hold = {"bookworm": Event()}
    with make() as guests, Cells(pool, guests).inside() as cells:
        entered, _ = cells.enter("bookworm")
        assert Guest.booting.wait(WAIT_S)
        guests.close()
        assert isinstance(entered.exception(WAIT_S), CanceledError)
    assert Guest.up == []


def test_an_error_in_a_cell_releases_the_guest(make: Callable[..., Guests]) -> None:
    with make() as guests:
        with pytest.raises(HostError, match="no space"), guests.lease("bookworm", []):
            raise HostError("create network: no space")
        guests.retire("bookworm")
        assert Guest.up == []


def test_an_idle_guest_stops_for_another_one_if_there_is_no_memory(make: Callable[..., Guests]) -> None:
    available = [ENOUGH]
    with make(available_bytes=lambda: available[0] if len(Guest.up) < 2 else ENOUGH - 1) as guests:
        for kernel in ("bookworm", "trixie"):
            with guests.lease(kernel, []):
                pass
        with guests.lease("trixie", []), guests.lease("backports", []):
            assert Guest.up == ["trixie", "backports"], "the one that was idle for longest has stopped"


def test_a_guest_waits_for_the_memory_of_a_busy_one(make: Callable[..., Guests], pool: ThreadPoolExecutor) -> None:
    looked = Event()

    def available() -> int:
        looked.set()
        return 0

    with make(available_bytes=available) as guests:
        with Cells(pool, guests).inside() as cells:
            first, _ = cells.enter("bookworm")
            first.result(WAIT_S)
            looked.clear()
            second, done = cells.enter("trixie")
            assert looked.wait(WAIT_S)
            assert not second.done()
        assert second.result(WAIT_S).facts["kernel"] == "trixie"
        done.result(WAIT_S)
    assert boots() == ["boot bookworm", "stop bookworm", "boot trixie", "stop trixie"]


def test_images_that_the_guest_lacks_are_copied_once(make: Callable[..., Guests], pool: ThreadPoolExecutor) -> None:
    tags = ["testbed-client:1", "an/image:1"]
    with make() as guests:
        with guests.lease("bookworm", tags[:1]) as machine:
            pass

        def enter(_number: int) -> None:
            with guests.lease("bookworm", tags):
                pass

        list(pool.map(enter, range(4)))
    engine = machine.engine
    assert isinstance(engine, Engine)
    assert engine.copied == tags


def test_a_run_without_guests() -> None:
    guests = HostOnly(FakeEngine())
    with guests.lease("host", []) as machine:
        assert isinstance(machine, Machine)
    guests.retire("host")
    guests.cancel_boots()
    with pytest.raises(HostError, match="run with kernel bookworm"), guests.lease("bookworm", []):
        pytest.fail("there are no guests")
