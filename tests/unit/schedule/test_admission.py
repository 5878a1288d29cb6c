from testbed.schedule.admission import (
    CPU_OVERCOMMIT,
    HIGH_PRESSURE,
    RESERVED_BYTES,
    Capacity,
    Jobs,
    Reading,
    Running,
    fits,
)
from testbed.schedule.guests import CELLS_PER_GUEST
from testbed.schedule.needs import GUEST_BYTES, Needs

SLEEPS = Needs("host", 30.0, 0.03, 100)
WORKS = Needs("host", 30.0, 1.0, 100)
GUEST = Needs("sid", 1.0, 0.1, 100)
TWO = Capacity(processors=2)
NOTHING = Reading()


def set_up(needs: Needs, count: int = 1) -> list[Running]:
    return [Running(needs, sets_up=False) for _ in range(count)]


def test_sleeping_cells_fit_in_great_numbers_and_working_ones_do_not() -> None:
    assert fits(WORKS, set_up(SLEEPS, 64), TWO, NOTHING)
    most = int(CPU_OVERCOMMIT * 2)
    assert fits(SLEEPS, set_up(WORKS, most - 1), TWO, NOTHING)
    assert not fits(SLEEPS, set_up(WORKS, most), TWO, NOTHING)


def test_a_cell_that_is_set_up_needs_a_processor_whatever_its_transfer() -> None:
    most = int(CPU_OVERCOMMIT * 2)
    assert not fits(SLEEPS, [Running(SLEEPS) for _ in range(most)], TWO, NOTHING)


def test_every_cell_fits_on_an_idle_machine() -> None:
    assert fits(Needs("host", 1, 100.0, 1 << 60), [], Capacity(0, networks=0), Reading(1.0, 0))


def test_memory() -> None:
    running = [*set_up(SLEEPS), Running(SLEEPS)]
    assert fits(SLEEPS, running, TWO, Reading(available_bytes=RESERVED_BYTES + 200))
    assert not fits(SLEEPS, running, TWO, Reading(available_bytes=RESERVED_BYTES + 199)), "one is still being set up"


def test_networks() -> None:
    assert fits(SLEEPS, set_up(SLEEPS, 2), Capacity(2, networks=3), NOTHING)
    assert not fits(SLEEPS, set_up(SLEEPS, 3), Capacity(2, networks=3), NOTHING)


def test_the_cells_of_guests_are_set_up_one_after_another_and_wait_together() -> None:
    assert not fits(GUEST, [Running(GUEST)], TWO, NOTHING)
    assert fits(GUEST, set_up(GUEST, CELLS_PER_GUEST - 1), TWO, NOTHING)
    assert not fits(GUEST, set_up(GUEST, CELLS_PER_GUEST), TWO, NOTHING)
    other = Needs("trixie", 1.0, 0.1, 100)
    assert fits(other, set_up(GUEST, CELLS_PER_GUEST), TWO, NOTHING)
    assert not fits(other, [Running(GUEST)], TWO, NOTHING)


def test_cells_of_the_host_run_beside_a_guest_which_counts_one_processor() -> None:
    most = int(CPU_OVERCOMMIT * 2)
    for guest in ([Running(GUEST)], set_up(GUEST, 3)):
        assert fits(SLEEPS, [*guest, *set_up(WORKS, most - 2)], TWO, NOTHING)
        assert not fits(SLEEPS, [*guest, *set_up(WORKS, most - 1)], TWO, NOTHING)


def test_a_guest_has_its_memory_from_its_boot_on() -> None:
    enough = RESERVED_BYTES + GUEST_BYTES
    assert fits(GUEST, set_up(SLEEPS), TWO, Reading(available_bytes=enough))
    assert not fits(GUEST, set_up(SLEEPS), TWO, Reading(available_bytes=enough - 1))
    assert fits(GUEST, set_up(GUEST), TWO, Reading(available_bytes=RESERVED_BYTES)), "it runs already"
    assert fits(SLEEPS, [Running(GUEST)], TWO, Reading(available_bytes=enough + 100))
    assert not fits(SLEEPS, [Running(GUEST)], TWO, Reading(available_bytes=enough + 99)), (
        "it may not have its memory yet"
    )
    assert fits(SLEEPS, set_up(GUEST), TWO, Reading(available_bytes=RESERVED_BYTES + 100))


def test_nothing_fits_beside_a_cell_that_runs_alone() -> None:
    assert not fits(SLEEPS, [Running(SLEEPS, alone=True, sets_up=False)], TWO, NOTHING)


def test_a_fixed_number_stays() -> None:
    jobs = Jobs(3, 2)
    jobs.grow(Reading(0.0))
    jobs.shrink()
    assert (jobs.now, jobs.overloaded(Reading(1.0))) == (3, False)


def test_auto_follows_the_pressure() -> None:
    jobs = Jobs(None, 2)
    assert jobs.now == 2
    for _ in range(8):
        jobs.grow(Reading(0.1))
    jobs.grow(Reading(0.5))
    jobs.grow(Reading(None))
    assert jobs.now == 10
    jobs.shrink()
    assert jobs.now == 7
    for _ in range(20):
        jobs.shrink()
    assert jobs.now == 1
    assert jobs.overloaded(Reading(HIGH_PRESSURE + 0.1))
    assert not jobs.overloaded(Reading(None))
