"""Whether the link was punctual: the figures of each end, and what follows for the timing."""

from typing import Any

import pytest

from testbed.evaluation.host import timing_issues, timing_notes
from testbed.evaluation.lateness import late, punctual, scheduling_notes
from testbed.result import Delays, HostState, Link, OneWayDelays

PUNCTUAL = "the link was punctual (p99 0.3 ms, max 1.2 ms late), but the endpoints' programs may have waited"
DEADLINE = "deadline 0.2 ms of 2 ms"
BUSY = "87 % of the time something waited for a CPU"
STEAL = "20 % of the time the processors worked for other machines (steal)"

ON_TIME = OneWayDelays(packets=100, ms={"p50": 10.1, "p99": 10.2, "max": 10.4}, unmatched_sent=0, unmatched_received=0)


def link(requested: str = "delay 10ms", p99: float | None = None, packets: int = 100, **facts: Any) -> Link:
    lateness = None if p99 is None else Delays(packets=packets, ms={"p50": 0.01, "p99": p99, "max": 4 * p99})
    return Link(
        requested=requested, readback="", engine_lateness=lateness, **{"engine": "user", "scheduling": DEADLINE} | facts
    )


def busy(**facts: Any) -> HostState:
    return HostState(**{"duration_s": 1.0, "cpu_pressure_share": 0.87} | facts)


@pytest.mark.parametrize(
    ("requested", "p99", "packets", "is_late"),
    [
        ("delay 10ms", 1.0, 100, False),
        ("delay 10ms", 1.01, 100, True),
        ("delay 10ms", 50.0, 99, False),
        ("delay 2s 10ms", 1.01, 100, True),
        ("rate 1mbit", 1.01, 100, True),
        ("", 1.01, 100, True),
    ],
)
def test_an_end_is_late_beyond_a_millisecond(requested: str, p99: float, packets: int, is_late: bool) -> None:
    assert bool(late({"client": link(requested, p99, packets)})) is is_late


@pytest.mark.parametrize(
    ("requested", "changes", "is_late"),
    [
        ("delay 10ms", 0, True),
        ("delay 10ms loss 1% duplicate 2%", 0, True),
        ("delay 10ms 3ms", 0, False),
        ("delay 10ms rate 1mbit", 0, False),
        ("delay 10ms reorder 5%", 0, False),
        ("delay 10ms filter port 8888", 0, False),
        ("delay 14ms", 0, False),
        ("delay 10ms", 3, False),
    ],
)
def test_a_frame_that_waited_to_be_read_is_late_where_delays_are_alike(
    requested: str, changes: int, is_late: bool
) -> None:
    """The engine, whose clock starts when it reads a frame, was on time."""
    one_way = OneWayDelays(
        packets=100, ms={"p50": 10.1, "p99": 14.0, "max": 15.0}, unmatched_sent=0, unmatched_received=0
    )
    links = {"client": link(requested, p99=0.1, one_way_delays=one_way, changes=changes)}
    assert late(links) == ("the link was late: p99 4 ms, max 5 ms at the client's end" if is_late else "")


def test_the_figures_of_each_late_end() -> None:
    one = "the link was late: p99 3.2 ms, max 13 ms at the client's end"
    assert late({"client": link(p99=3.21), "server": link(p99=0.1)}) == one
    assert (
        late({"server": link(p99=4.0), "client": link(p99=3.21)}) == f"{one}, p99 4 ms, max 16 ms at the server's end"
    )


@pytest.mark.parametrize(
    ("client", "server", "known"),
    [
        (link(p99=0.1), link(p99=0.3), "p99 0.3 ms, max 1.2 ms"),
        (link(p99=0.3), link(p99=0.1), "p99 0.3 ms, max 1.2 ms"),
        (link(p99=0.1), link("", engine="none"), "p99 0.1 ms, max 0.4 ms"),
        (link(p99=0.1), link(), ""),
        (link(p99=0.1, scheduling="ordinary: switched off"), link("", engine="none"), ""),
        (
            link(p99=0.1, scheduling="ordinary: switched off", one_way_delays=ON_TIME),
            link("", engine="none"),
            "p99 0.2 ms, max 0.4 ms",
        ),
        (link(p99=0.1), link(engine="kernel"), ""),
        (link(p99=0.1), link(p99=0.1, packets=19), ""),
        (link(p99=0.1), link("", engine="none", changes=2), ""),
        (link(p99=0.1), link(p99=9.0), ""),
        (link("", engine="none"), link("", engine="none"), ""),
    ],
)
def test_punctual_is_known_only_if_each_impaired_end_has_measured_it(client: Link, server: Link, known: str) -> None:
    assert punctual({"client": client, "server": server}) == known


@pytest.mark.parametrize(
    ("state", "links", "issues", "notes"),
    [
        (busy(), {}, [BUSY], []),
        (busy(), {"client": link(engine="kernel")}, [BUSY], []),
        (
            busy(),
            {"client": link(p99=0.3)},
            [],
            [f"{BUSY}; {PUNCTUAL}"],
        ),
        (
            busy(),
            {"client": link(p99=3.0)},
            ["the link was late: p99 3 ms, max 12 ms at the client's end", BUSY],
            [],
        ),
        (busy(cpu_pressure_share=0.5), {"client": link(p99=0.3)}, [], []),
        (busy(cpu_pressure_share=None), {"client": link(p99=0.3)}, [], []),
        (busy(cpu_pressure_share=0.1, steal_share=0.2), {"client": link(p99=0.3)}, [STEAL], []),
        (busy(duration_s=0.1), {"client": link(p99=0.3)}, None, []),
        (
            busy(duration_s=0.1),
            {"client": link(p99=3.0)},
            ["the link was late: p99 3 ms, max 12 ms at the client's end"],
            [],
        ),
        (None, {"client": link(p99=0.3)}, None, []),
        (None, {"client": link(p99=3.0)}, ["the link was late: p99 3 ms, max 12 ms at the client's end"], []),
    ],
)
def test_pressure_is_no_issue_where_the_link_is_known_to_have_been_punctual(
    state: HostState | None, links: dict[str, Link], issues: list[str] | None, notes: list[str]
) -> None:
    assert timing_issues(state, links) == issues
    assert timing_notes(state, links) == notes


@pytest.mark.parametrize(
    ("packets", "p50", "is_late"), [(99, 1.2, True), (20, 1.2, True), (19, 9.0, False), (99, 1.0, False)]
)
def test_the_median_decides_where_one_frame_is_more_than_a_percent(packets: int, p50: float, is_late: bool) -> None:
    lateness = Delays(packets=packets, ms={"p50": p50, "p99": 9.0, "max": 9.0})
    links = {
        "client": Link(
            requested="delay 10ms", readback="", engine="user", scheduling=DEADLINE, engine_lateness=lateness
        )
    }
    assert late(links) == (f"the link was late: p50 {p50} ms, max 9 ms at the client's end" if is_late else "")
    assert bool(punctual(links)) is (not is_late and packets >= 20)


def test_a_link_without_real_time_has_a_note_with_the_reason() -> None:
    full, none = (
        "ordinary: deadline: other tasks have reserved the processors",
        "ordinary: the container has no CAP_SYS_NICE",
    )
    note = "the link ran without real time: deadline: other tasks have reserved the processors"
    assert scheduling_notes({"client": link(scheduling=full), "server": link(scheduling=full)}) == [note]
    assert (
        scheduling_notes({"client": link(scheduling=none), "server": link(scheduling="deadline 0.2 ms of 2 ms")}) == []
    )
    assert scheduling_notes({"client": link(engine="kernel")}) == []
