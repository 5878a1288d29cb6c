"""Series of rounds without sockets: a simulated peer on a virtual clock."""

import itertools
from collections.abc import Callable

import pytest

from netem.probe.message import Command, Egress, Reply, encode_reply
from netem.probe.series import ProbeSeries, SeriesState
from tests.support.probed_peer import CONTROL_NS, MS, Network, config


def network(text: str = "", describe: Callable[[], str] = str, **delays_ns: int) -> tuple[ProbeSeries, Network]:
    series = ProbeSeries(config(text), itertools.count(1).__next__)
    return series, Network(series, describe, **delays_ns)


def test_a_round_that_passes_ends_the_series() -> None:
    series, link = network("delay 20ms", there_ns=20 * MS)
    link.run()
    assert series.ok
    assert series.finished
    assert series.next_deadline_ns is None
    assert [result.direction for result in series.results] == ["egress", "ingress"]
    assert series.round_trips_ns == (20 * MS,) * 5
    assert series.clock_offset_ns == (-CONTROL_NS, CONTROL_NS)
    assert [name for name, _ in link.sent][-2:] == ["report", "finish"]
    assert link.sessions.finished == 1


def test_a_link_that_does_not_delay_fails_after_five_rounds() -> None:
    series, link = network("delay 20ms")
    link.run()
    egress, ingress = series.results
    assert not series.ok
    assert not egress.ok
    assert "20.000 ms less than expected" in egress.sentence
    assert ingress.ok
    hellos, reports = link.times_us("hello"), link.times_us("report")
    reply_us = 2 * CONTROL_NS // 1000
    pauses_us = [hello - report - reply_us for hello, report in zip(hellos[1:], reports, strict=False)]
    assert pauses_us == [50_000, 100_000, 200_000, 400_000]
    assert len(reports) == 5
    assert link.sessions.finished == 1


def test_probes_that_travel_for_a_second_are_repeated_twice_only() -> None:
    series, link = network("delay 2s")
    link.run()
    assert not series.ok
    assert len(link.times_us("report")) == 3


def test_a_round_that_fails_is_repeated_with_a_new_session() -> None:
    impairments = iter(["delay 10s"])
    series, link = network(describe=lambda: next(impairments, ""))
    link.run()
    assert series.ok, series.results
    assert len(link.times_us("hello")) == 2
    assert len(series.round_trips_ns) == 5


def test_an_echo_of_the_failed_round_does_not_count_in_the_next() -> None:
    impairments = iter(["delay 20ms"])
    series, link = network(describe=lambda: next(impairments, "delay 3ms"), back_ns=3 * MS)
    # It arrives in the second round, when that has sent the probe of this number and not yet received its echo.
    link.extra_ns["echo 4"] = 275 * MS
    link.run()
    assert len(link.times_us("probe 4")) == 2
    assert series.ok, series.results
    assert series.round_trips_ns == (3 * MS,) * 5


def test_an_echo_that_arrives_while_backing_off_does_not_count() -> None:
    impairments = iter(["delay 20ms"])
    series, link = network(describe=lambda: next(impairments, ""))
    link.extra_ns["echo 4"] = 240 * MS
    link.run()
    assert len(link.times_us("hello")) == 2
    assert series.ok, series.results


def test_the_end_is_announced_until_the_peer_confirms_it() -> None:
    series, link = network()
    link.lose["finish"] = 2
    link.lose["finished"] = 1
    link.run()
    first, *later = link.times_us("finish")
    assert [at_us - first for at_us in later] == [20_000, 40_000, 60_000]
    assert series.finished
    assert link.sessions.finished == 1


@pytest.mark.parametrize(
    "foreign",
    [
        encode_reply(Reply(Command.FINISH, 99, Egress("", 0), 0, None, 0)),
        encode_reply(Reply(Command.REPORT, 1, Egress("", 0), 0, None, 0)),
        b"\xff",
    ],
    ids=["another session", "a second report", "noise"],
)
def test_only_the_reply_to_its_own_finish_ends_a_series(foreign: bytes) -> None:
    series, link = network()
    injected = []

    def watch() -> None:
        if series.state == SeriesState.FINISHING and not injected:
            link.inject(foreign)
            injected.append(series.state)

    link.run(watch)
    assert injected == [SeriesState.FINISHING]
    assert series.finished


def test_the_status_names_what_the_series_waits_for() -> None:
    impairments = iter(["delay 20ms"])
    series, link = network(describe=lambda: next(impairments, ""))
    statuses = [series.status]

    def watch() -> None:
        if series.status != statuses[-1]:
            statuses.append(series.status)

    link.run(watch)
    round_ = ["waiting for its sidecar to answer", "sending probes", "waiting for echoes", "waiting for its report"]
    end = ["waiting for its sidecar to confirm the last round", "finished"]
    assert statuses == [*round_, "backing off before retry", *round_, *end]
