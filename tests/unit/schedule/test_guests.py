from testbed.schedule.guests import (
    CELLS_PER_GUEST,
    RESERVED_BYTES,
    GuestRoom,
    InGuest,
    fits_in_memory,
    in_guests,
    room_on,
    to_stop,
)
from testbed.schedule.needs import GUEST_BYTES, Needs

SETS_UP, WAITS = InGuest("sid", sets_up=True), InGuest("sid", sets_up=False)


def test_a_guest_has_room_for_a_few_cells_of_which_one_is_set_up() -> None:
    room = GuestRoom(cells_per_guest=3, set_ups=1)
    assert room.admits("sid", [])
    assert room.admits("sid", [WAITS, WAITS])
    assert not room.admits("sid", [WAITS] * 3)
    assert not room.admits("sid", [SETS_UP])
    assert not room.admits("trixie", [SETS_UP]), "both would take the same processors"
    assert room.admits("trixie", [WAITS] * 3)


def test_two_processors_are_needed_for_each_cell_that_is_set_up() -> None:
    assert [room_on(processors).set_ups for processors in (1, 2, 3, 4, 16)] == [1, 1, 1, 2, 8]
    assert room_on(2).cells_per_guest == CELLS_PER_GUEST


def test_cells_of_the_host_are_not_in_a_guest() -> None:
    running = [(Needs("host", 1, 1), True), (Needs("sid", 1, 1), True), (Needs("sid", 1, 1), False)]
    assert in_guests(running) == [SETS_UP, WAITS]


def test_memory_is_needed_for_a_second_guest() -> None:
    enough = GUEST_BYTES + RESERVED_BYTES
    assert fits_in_memory(0, running=0), "the first one is tried"
    assert fits_in_memory(enough, running=1)
    assert not fits_in_memory(enough - 1, running=1)
    assert fits_in_memory(None, running=1)


def test_an_idle_guest_stops_for_another_first_one_that_no_cell_needs() -> None:
    assert to_stop(["sid", "trixie"], {"sid"}) == "trixie"
    assert to_stop(["sid", "trixie"], {"sid", "trixie"}) == "sid"
    assert to_stop([], {"sid"}) is None
