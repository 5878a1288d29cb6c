import pytest

from testbed.report.link import engine_text, kernel_text, measured_texts, requested_text
from testbed.result import Delays, Link, LinkCounters, Metrics, OneWayDelays, Result
from testbed.scenario.model import Cell

COUNTERS = LinkCounters(packets_in=102, dropped=3, dropped_loss=2, dropped_list=1, dropped_limit=0, duplicated=4)
LATE = Delays(packets=80, ms={"p50": 0.01234, "p99": 0.2, "max": 0.3})
HELD = Delays(packets=99, ms={"min": 20.01, "p50": 20.04, "p99": 21.5, "max": 30})
ONE_WAY = OneWayDelays(packets=90, ms={"p1": 20.0, "p50": 20.1}, unmatched_sent=3, unmatched_received=0)


def shown(**link: object) -> list[str]:
    facts = {"engine": "user", "requested": "delay 20ms", "readback": ""} | link
    result = Result(
        run="r",
        cell="c",
        status="passed",
        reason="",
        requested={},
        link={"client": Link.model_validate(facts)},
        metrics=Metrics(),
        timing_reliable=None,
        checks=[],
        findings=[],
        notes=[],
    )
    return measured_texts(result)


def requested(**fields: object) -> str:
    cell = Cell.model_validate(fields)
    return requested_text(cell.requested(), {"client": cell.impairment("client"), "server": cell.impairment("server")})


def test_requested_impairments() -> None:
    assert requested() == "each way: unimpaired"
    assert requested(latency="20ms").startswith("each way: delay 20ms; RTT +40 ms; engine auto")
    assert "; neighbour discovery impaired; engine" in requested(latency="20ms", nd=True)
    text = requested(netem_client="delay 5ms loss 1%", netem_server="delay 1s")
    assert text.startswith("client to server: delay 5ms loss 1%; server to client: delay 1s; RTT +1.005 s; ")


@pytest.mark.parametrize(
    ("fields", "engine"),
    [
        ({}, "engine auto, seed 0"),
        ({"realtime": "off"}, "engine auto, realtime off, seed 0"),
        ({"realtime": "require", "engine": "user"}, "engine user, realtime require, seed 0"),
    ],
)
def test_the_requested_engine(fields: dict[str, str], engine: str) -> None:
    assert requested(latency="20ms", **fields).split("; ")[-1] == engine


def test_the_request_of_an_earlier_version() -> None:
    old = {name: value for name, value in Cell(latency="1ms").requested().items() if name != "realtime"}
    text = requested_text(old, {"client": "delay 1ms", "server": "delay 1ms"})
    assert text == "each way: delay 1ms; RTT +2 ms; engine auto, seed 0"


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((("none", None), ("none", None)), ""),
        ((("kernel", None), ("kernel", None)), "engine kernel"),
        ((("user", "fifo 10"), ("user", "fifo 10")), "engine user (fifo 10)"),
        ((("user", "fifo 10"), ("none", None)), "engine user (fifo 10)"),
        ((("user", "fifo 10"), ("kernel", None)), "engine kernel and user (fifo 10)"),
        (
            (("user", "fifo 10"), ("user", "ordinary: switched off")),
            "engine user (client: fifo 10; server: ordinary: switched off)",
        ),
    ],
)
def test_the_engines_and_how_they_were_scheduled(ends: tuple[tuple[str, str | None], ...], text: str) -> None:
    links = {
        role: Link(engine=engine, scheduling=scheduling, requested="", readback="")
        for role, (engine, scheduling) in zip(("client", "server"), ends, strict=True)
    }
    assert engine_text(links) == text


def test_a_profile_is_announced() -> None:
    text = requested(profile=[{"at": "1s", "netem": "delay 5ms"}])
    assert text == "each way: unimpaired; changed by a profile; engine auto, seed 0"


def test_kernel_settings() -> None:
    cell = Cell(congestion={"client": "cubic"}, mtu=1400, sysctl={"net.ipv4.tcp_sack": 0})
    assert kernel_text(cell.requested()) == "congestion (client=cubic), mtu 1400, net.ipv4.tcp_sack 0"
    assert kernel_text(Cell().requested()) == ""


def test_requested_and_measured() -> None:
    assert shown(engine_delays=HELD, engine_lateness=LATE, one_way_delays=ONE_WAY, counters=COUNTERS) == [
        "client to server: requested delay 20ms",
        "  engine delay min 20.01, p50 20.04, p99 21.5, max 30 ms (99 packets)",
        "  engine lateness p50 0.012, p99 0.2, max 0.3 ms (80 packets)",
        "  one-way delay p50 20.1 ms (90 packets)",
        "  dropped 3 of 102 (2 by loss model, 1 by drop-list), 4 duplicated",
    ]


def test_what_stayed_in_the_kernel_is_counted_apart() -> None:
    counters = LinkCounters(packets_in=5, dropped=0, packets_bypassed=12)
    assert shown(changes=1, counters=counters)[-1] == "  dropped 0 of 5, 12 stayed in the kernel"


def test_an_unimpaired_link_is_not_described() -> None:
    assert shown(requested="", engine_delays=HELD, counters=COUNTERS) == []


def test_a_profile_on_an_unimpaired_link() -> None:
    assert shown(requested="", changes=3) == ["client to server: unimpaired at first; 3 changes"]
    assert shown(requested="", changes=1) == ["client to server: unimpaired at first; 1 change"]
