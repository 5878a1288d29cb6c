from dataclasses import replace

import pytest

from testbed.analysis.findings.delayed_ack import measure, waited_ns
from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.join.cell_folder import observe_connection
from testbed.analysis.join.observation import End
from testbed.analysis.packets.capture import analyse_capture
from tests.support.captures import Segment, exchange, pcap
from tests.support.transfers import captures_of, fast_reader, slow_reader


def late_acknowledgements() -> list[Segment]:
    """Each second segment waits 42 ms for its acknowledgement, and the next segment waits for that."""
    made, shift_ns = [], 0
    for segment in exchange():
        if segment.from_server and segment.flags == 16:
            shift_ns += 42_000_000
        made.append(replace(segment, time_ns=segment.time_ns + shift_ns))
    return made


def test_steps_of_40_ms() -> None:
    found = measure(captures_of(late_acknowledgements()))
    assert isinstance(found, Measured)
    assert found.fact.delayed_frames == 20
    assert found.fact.sender_waited == 9
    assert 0.04 < float(found.fact.delay_median_s) < 0.045


def test_not_applicable_when_acknowledgements_come_at_once() -> None:
    for transfer in (fast_reader(), slow_reader()):
        found = measure(transfer.observe())
        assert isinstance(found, NotMeasured)
        assert found.observable


def test_it_needs_the_receivers_own_capture() -> None:
    observation = replace(captures_of(late_acknowledgements()), receiver=End("server"))
    capture = analyse_capture(pcap(late_acknowledgements()))
    brought = observe_connection(capture.connection(0), capture, "x.pcap")
    for found in (measure(observation), measure(brought)):
        assert isinstance(found, NotMeasured)
        assert not found.observable


def test_not_applicable_about_what_waits_behind_a_gap() -> None:
    """The receiver answers at once, but cannot acknowledge what came after a lost segment until that comes again."""
    opening = exchange()[:3]
    step = Segment(1001, 5001, length=100, time_ns=opening[-1].time_ns + 1_000_000)
    made = list(opening)
    for number in range(1, 6):  # the first segment is missing
        data = replace(step, seq=1001 + 100 * number, time_ns=step.time_ns + number * 1_000_000)
        made += [data, replace(data, seq=5001, ack=1001, length=0, from_server=True, time_ns=data.time_ns + 1000)]
    again = replace(step, time_ns=step.time_ns + 45_000_000)
    made += [again, replace(again, seq=5001, ack=1601, length=0, from_server=True, time_ns=again.time_ns + 1000)]
    found = measure(captures_of(made))
    assert isinstance(found, NotMeasured)
    assert found.observable
    assert waited_ns(captures_of(made)) == 0


def test_for_how_long_the_sender_waited() -> None:
    assert waited_ns(captures_of(late_acknowledgements())) == pytest.approx(9 * 42_000_000, rel=0.05)
