import struct
from dataclasses import asdict
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netem.pipeline import Pipeline, Resources
from netem.spec import Impairment, SpecError, parse
from tests.support.effort import many
from tests.support.frames import ETHERNET, ipv4, ipv6, numbered, ports, send, send_numbered

MS = 10**6
ARP = ETHERNET + b"\x08\x06" + bytes(28)
TEXTS = [
    "",
    "delay 5ms",
    "delay 5ms 8ms",
    "delay 5ms 4ms 25% distribution normal loss gemodel 5% 30% duplicate 5% corrupt 5% reorder 5% 50% gap 3",
    "limit 20 rate 1mbit loss 10% 20%",
    "delay 2ms 3ms rate 2mbit 10 100 5 limit 40",
    "slot 3ms 9ms packets 5 delay 1ms loss state 5% 20%",
    "limit 15 delay 8ms 6ms duplicate 20%",
    "drop-list 5-9 blackhole 20ms 9ms delay 3ms 2ms keep-order",
    "trace t delay 1ms",
    "loss 20% 30% correlation true ecn filter family ipv4",
]
RESOURCES = Resources(traces={"t": (1, 3, 3, 7)})


def arrivals(packets: int, seed: int = 3) -> list[tuple[int, bytes]]:
    rng, now_ns, found = Random(seed), 0, []
    for number in range(packets):
        now_ns += rng.choice((0, 1000, 50_000, 400_000, 900_000))
        found.append((now_ns, numbered(number, rng.choice((38, 200, 1514)))))
    return found


def test_an_empty_impairment_is_a_wire() -> None:
    pipeline = Pipeline(Impairment())
    pipeline.push(numbered(1), 5)
    assert pipeline.next_due_ns() == 5
    assert pipeline.pop_due(5) == [numbered(1)]
    assert pipeline.next_due_ns() is None
    assert pipeline.pop_due(6) == []


def test_a_delay_holds_and_returns_the_same_object() -> None:
    pipeline = Pipeline(parse("delay 10ms"), frame_start=10)
    frame = bytes(10) + numbered(1)
    pipeline.push(frame, 0)
    assert pipeline.next_due_ns() == 10 * MS
    assert pipeline.pop_due(10 * MS - 1) == []
    (out,) = pipeline.pop_due(10 * MS)
    assert out is frame


@pytest.mark.parametrize("text", TEXTS)
def test_same_seed_and_arrivals_same_result(text: str) -> None:
    runs = [send(Pipeline(parse(text), 7, resources=RESOURCES), arrivals(3000)) for _ in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    "text", [text for text in TEXTS if any(w in text for w in ("loss", "duplicate", "slot", "8ms"))]
)
def test_another_seed_another_result(text: str) -> None:
    one, other = (send(Pipeline(parse(text), seed, resources=RESOURCES), arrivals(3000)) for seed in (7, 8))
    assert one != other


@pytest.mark.parametrize("text", TEXTS)
def test_the_result_does_not_depend_on_when_frames_are_popped(text: str) -> None:
    """Which packets leave, in which order and with which bits; the order of what leaves at the same time included."""
    expected = [frame for _, frame in send(Pipeline(parse(text), 7, resources=RESOURCES), arrivals(2000))]
    for every in (1, 13, 400):
        pipeline, out = Pipeline(parse(text), 7, resources=RESOURCES), []
        for count, (at_ns, frame) in enumerate(arrivals(2000)):
            pipeline.push(frame, at_ns)
            if count % every == 0:
                out += pipeline.pop_due(at_ns)
        out += pipeline.pop_due(10**12)
        assert out == expected


@pytest.mark.parametrize("text", TEXTS)
def test_every_packet_is_accounted_for(text: str) -> None:
    pipeline = Pipeline(parse(text), 7, resources=RESOURCES)
    left = send(pipeline, arrivals(3000))
    counters = pipeline.stats().counters
    dropped = sum(count for name, count in asdict(counters).items() if name.startswith("dropped_"))
    assert counters.packets_in + counters.duplicated == len(left) + dropped
    assert counters.packets_out == len(left)
    assert counters.bytes_in == sum(len(frame) for _, frame in arrivals(3000))
    assert pipeline.stats().packets_queued == 0


def test_the_seed_in_the_text_wins() -> None:
    one = send(Pipeline(parse("loss 30% seed 5"), 1), arrivals(500))
    assert one == send(Pipeline(parse("loss 30% seed 5"), 2), arrivals(500))
    assert one == send(Pipeline(parse("loss 30%"), 5), arrivals(500))


def test_switching_one_stage_on_does_not_move_the_draws_of_another() -> None:
    def lost(text: str) -> set[int]:
        _, left = send_numbered(text, 2000)
        return set(range(2000)) - {number for _, number in left}

    assert lost("loss 10%") == lost("loss 10% delay 1ms 1ms corrupt 0% reorder 5%")


@pytest.mark.parametrize("text", ["delay 1s", "delay 1s 1ms", "loss 100%", "drop-list 1-99"])
def test_neighbour_discovery_is_exempt_by_default(text: str) -> None:
    solicitation = ipv6(bytes([135]) + bytes(23), protocol=58)
    for frame in (ARP, solicitation):
        pipeline = Pipeline(parse(text))
        pipeline.push(frame, 0)
        assert pipeline.pop_due(0) == [frame]
        assert pipeline.stats().counters.exempt == 1
        pipeline = Pipeline(parse(f"{text} nd"))
        pipeline.push(frame, 0)
        assert pipeline.pop_due(0) == []


def test_the_engine_delay_is_of_impaired_frames_only() -> None:
    pipeline = Pipeline(parse("delay 1s"))
    pipeline.push(numbered(1), 0)
    pipeline.push(ARP, 10**9)
    assert len(pipeline.pop_due(10**9)) == 2
    delay_ns = pipeline.stats().delay_ns
    assert delay_ns is not None
    assert (delay_ns.packets, delay_ns.min) == (1, 10**9)


def test_a_filter_lets_the_others_pass() -> None:
    pipeline = Pipeline(parse("delay 1s filter protocol tcp port 80"))
    pipeline.push(ipv4(ports(5, 80)), 0)
    pipeline.push(ipv4(ports(5, 81)), 0)
    assert pipeline.pop_due(0) == [ipv4(ports(5, 81))]
    assert pipeline.pop_due(10**9) == [ipv4(ports(5, 80))]


def test_a_change_keeps_what_is_queued_with_its_times() -> None:
    pipeline = Pipeline(parse("delay 100ms"))
    pipeline.push(numbered(1), 0)
    pipeline.change(parse("delay 10ms"), MS)
    pipeline.push(numbered(2), 2 * MS)
    assert pipeline.next_due_ns() == 12 * MS
    assert pipeline.pop_due(12 * MS) == [numbered(2)]
    assert pipeline.pop_due(100 * MS) == [numbered(1)]


@pytest.mark.parametrize("text", ["delay 50ms", "slot 20ms", "rate 8kbit", "delay 50ms 10ms"])
def test_removing_the_impairment_lets_the_queue_drain(text: str) -> None:
    pipeline = Pipeline(parse(text))
    for number in range(3):
        pipeline.push(numbered(number), number)
    pipeline.change(Impairment(), MS)
    pipeline.push(numbered(9), 2 * MS)
    left = pipeline.pop_due(10**12)
    assert sorted(left) == sorted([*(numbered(number) for number in range(3)), numbered(9)])
    assert pipeline.next_due_ns() is None


def test_a_change_begins_slots_for_what_waits() -> None:
    pipeline = Pipeline(parse("delay 10ms"))
    pipeline.push(numbered(1), 0)
    pipeline.change(parse("slot 30ms"), MS)
    due_ns = pipeline.next_due_ns()
    assert due_ns is not None
    assert pipeline.pop_due(100 * MS) == [numbered(1)]


def test_an_unchanged_stage_keeps_its_state() -> None:
    pipeline = Pipeline(parse("drop-list 3 delay 1ms"), 4)
    for number in range(5):
        if number == 2:
            pipeline.change(parse("drop-list 3 delay 2ms"), number)
        pipeline.push(numbered(number), number)
    assert [frame[-1] for frame in pipeline.pop_due(10**9)] == [0, 1, 3, 4]


def test_a_changed_probability_continues_the_draws() -> None:
    """A ramp of loss must not lose the same packets after each step."""
    pipeline = Pipeline(parse("loss 50%"), 4)
    outcomes = []
    for number in range(64):
        pipeline.change(parse(f"loss {50 + number % 2 / 1000}%"), number)
        pipeline.push(numbered(number), number)
        outcomes.append(len(pipeline.pop_due(number)))
    assert len(set(outcomes)) == 2


def test_a_wrong_change_changes_nothing() -> None:
    pipeline = Pipeline(parse("delay 1ms"))
    with pytest.raises(SpecError):
        pipeline.change(parse("trace missing"), 0)
    pipeline.push(numbered(1), 0)
    assert pipeline.next_due_ns() == MS


def test_restart_makes_the_measured_traffic_independent_of_the_probes() -> None:
    text = "delay 5ms 4ms loss 10% drop-list 4 blackhole 20ms 5ms"
    fresh = Pipeline(parse(text), 9)
    expected = send(fresh, arrivals(500))
    probed = Pipeline(parse(text), 9)
    send(probed, arrivals(77, seed=1))
    probed.restart()
    assert send(probed, arrivals(500)) == expected
    assert probed.stats() == fresh.stats()


def test_restart_keeps_what_is_queued() -> None:
    pipeline = Pipeline(parse("delay 5ms"))
    pipeline.push(numbered(1), 0)
    pipeline.restart()
    assert pipeline.pop_due(5 * MS) == [numbered(1)]


def test_drain_returns_everything_in_order() -> None:
    pipeline = Pipeline(parse("delay 5ms 4ms"))
    for number in range(20):
        pipeline.push(numbered(number), number)
    pipeline.push(ARP, 30)
    frames = list(pipeline.drain())
    assert frames[0] == ARP
    assert len(frames) == 21
    assert pipeline.next_due_ns() is None


def test_a_super_packet_counts_its_bytes_on_the_wire() -> None:
    header = struct.pack("=BBHHHH", 1, 1, 0, 1000, 34, 16)
    frame = header + ipv4(ports(1, 2)[:12] + b"\x50" + bytes(7) + bytes(2000))
    for text in ("delay 1ms", "delay 1ms 1us"):
        pipeline = Pipeline(parse(text), frame_start=10)
        pipeline.push(frame, 0)
        assert pipeline.stats().counters.bytes_in == 54 + 2000 + 54


def test_the_engine_delay_depends_on_the_pops() -> None:
    pipeline = Pipeline(parse("delay 10ms"))
    pipeline.push(numbered(1), 0)
    pipeline.push(numbered(2), 0)
    pipeline.pop_due(10 * MS + 250_000)
    figures = pipeline.stats().delay_ns
    assert figures
    assert (figures.min, figures.max, figures.packets) == (10_250_000, 10_250_000, 2)


@settings(max_examples=many(30), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**7), st.binary(max_size=70)), max_size=40), st.sampled_from(TEXTS))
def test_any_bytes_come_out_in_time_order(frames: list[tuple[int, bytes]], text: str) -> None:
    now_ns, timed = 0, []
    for pause_ns, frame in frames:
        now_ns += pause_ns
        timed.append((now_ns, frame))
    for start in (0, 10):
        left = send(Pipeline(parse(text), 1, frame_start=start, resources=RESOURCES), timed)
        assert all(early[0] <= late[0] for early, late in pairwise(left))


def test_lateness_is_the_time_after_a_frame_was_due() -> None:
    pipeline = Pipeline(parse("delay 10ms"))
    for number in range(2):
        pipeline.push(numbered(number), number * MS)
    pipeline.push(ARP, 2 * MS)
    pipeline.pop_due(11 * MS + 100)
    lateness = pipeline.stats().lateness_ns
    assert lateness
    assert (lateness.packets, lateness.max) == (2, MS + 100)
    pipeline.restart()
    assert pipeline.stats().lateness_ns is None


@pytest.mark.parametrize("text", ["", "rate 1gbit reorder 100% delay 1ms"])
def test_a_frame_that_does_not_wait_is_not_late(text: str) -> None:
    pipeline = Pipeline(parse(text))
    pipeline.push(numbered(1), 0)
    assert pipeline.pop_due(5) == [numbered(1)]
    assert pipeline.stats().lateness_ns is None


@pytest.mark.parametrize("text", ["slot 20ms", "slot 20ms packets 1", "slot 3ms 9ms delay 1ms 2ms"])
def test_waiting_for_a_slot_is_not_lateness(text: str) -> None:
    pipeline = Pipeline(parse(text))
    send(pipeline, arrivals(500))
    lateness = pipeline.stats().lateness_ns
    assert lateness
    assert lateness.max == 0


def test_the_time_in_a_slot_that_a_change_removes_is_not_lateness() -> None:
    pipeline = Pipeline(parse("slot 20ms delay 1ms"))
    for number in range(3):
        pipeline.push(numbered(number), 0)
    pipeline.change(parse("delay 1ms"), 5 * MS)
    assert pipeline.next_due_ns() == 5 * MS
    assert pipeline.pop_due(5 * MS + 7) == [numbered(number) for number in range(3)]
    lateness = pipeline.stats().lateness_ns
    assert lateness
    assert (lateness.packets, lateness.max) == (3, 7)
