from dataclasses import replace

from testbed.analysis.findings.keep_alives import measure
from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.join.observation import End, Observation
from tests.support.captures import Segment, exchange
from tests.support.transfers import captures_of, fast_reader, slow_reader


def with_keep_alives() -> list[Segment]:
    segments = exchange()
    last = segments[-4]
    idle = replace(last, seq=segments[-3].seq - 1, flags=16, length=0, from_server=False, ack=segments[-3].ack)
    made = []
    for number in range(3):
        at_ns = last.time_ns + (number + 1) * 5_000_000_000
        made += [replace(idle, time_ns=at_ns), replace(last, time_ns=at_ns + 1000, length=0)]
    late = [replace(segment, time_ns=segment.time_ns + 20_000_000_000) for segment in segments[-3:]]
    return segments[:-3] + made + late


def test_keep_alives_are_no_probes() -> None:
    found = measure(captures_of(with_keep_alives()))
    assert isinstance(found, Measured)
    assert (found.fact.keep_alives, found.fact.by_sender) == (3, 3)
    assert 4.9 < float(found.fact.idle_median_s) < 5.1


def test_not_applicable_about_probes_and_without_any() -> None:
    for transfer in (slow_reader(read_delay_ms=2000, total_bytes=40_000), fast_reader()):
        found = measure(transfer.observe())
        assert isinstance(found, NotMeasured)
        assert found.observable


def test_without_a_capture_it_is_unobservable() -> None:
    found = measure(Observation(sender=End("client"), receiver=End("server")))
    assert isinstance(found, NotMeasured)
    assert not found.observable


def test_what_comes_late_or_twice_is_no_keep_alive() -> None:
    """An acknowledgement that a FIN overtook looks like one; no socket sends keep-alives within a second."""
    segments = with_keep_alives()
    first_ns = segments[0].time_ns
    quick = [replace(segment, time_ns=first_ns + (segment.time_ns - first_ns) // 1000) for segment in segments]
    found = measure(captures_of(quick))
    assert isinstance(found, NotMeasured)
    assert found.observable
