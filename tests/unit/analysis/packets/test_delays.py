from dataclasses import replace

from testbed.analysis.packets.capture import analyse_capture
from testbed.analysis.packets.delays import one_way_delays, time_to_ack_ns
from testbed.analysis.packets.model import Connection
from tests.support.captures import Segment, exchange, handshake, pcap, spaced

DATA = Segment(1001, 5001, length=100)


def connection(segments: list[Segment]) -> Connection:
    return analyse_capture(pcap(segments)).connection(0)


def later(segments: list[Segment], by_ns: int) -> list[Segment]:
    return [replace(segment, time_ns=segment.time_ns + by_ns) for segment in segments]


def test_time_to_the_acknowledgement() -> None:
    half, whole = (Segment(5001, ack, from_server=True) for ack in (1050, 1201))
    segments = spaced([*handshake(), DATA, replace(DATA, seq=1101), half, whole, replace(DATA, seq=1201)])
    assert time_to_ack_ns(connection(segments)).tolist() == [-1, -1, -1, 3_000_000, 2_000_000, -1, -1, -1]


def test_an_acknowledgement_before_the_data_does_not_count() -> None:
    segments = spaced([*handshake(), DATA, Segment(5001, 1101, from_server=True), DATA])
    assert time_to_ack_ns(connection(segments)).tolist()[3:] == [1_000_000, -1, -1]


def test_one_way_through_a_link_of_five_milliseconds() -> None:
    sent = exchange(50)
    found = one_way_delays(connection(sent), connection(later(sent, 5_000_000)), from_client=True)
    assert set(found.delay_ns.tolist()) == {5_000_000}
    assert len(found.sent_at) == sum(not segment.from_server for segment in sent)
    assert (found.unmatched_sent, found.unmatched_received) == (0, 0)


def test_lost_frames_are_not_matched() -> None:
    sent = exchange(50)
    arrived = later([s for n, s in enumerate(sent) if n not in (10, 20)], 1000)
    found = one_way_delays(connection(sent), connection(arrived), from_client=True)
    assert found.unmatched_sent + sum(sent[n].from_server for n in (10, 20)) == 2
    assert set(found.delay_ns.tolist()) == {1000}


def test_indistinguishable_copies_are_not_matched() -> None:
    sent = spaced([*handshake(), DATA, DATA])
    found = one_way_delays(connection(sent), connection(sent[:-1]), from_client=True)
    assert (len(found.sent_at), found.unmatched_sent, found.unmatched_received) == (2, 2, 1)


def test_reordered_frames_keep_their_delays() -> None:
    sent = spaced([*handshake(), DATA, replace(DATA, seq=1101)])
    arrived = later(sent, 1_000_000)
    arrived[3:] = [arrived[4], replace(arrived[3], time_ns=arrived[4].time_ns + 7)]
    found = one_way_delays(connection(sent), connection(arrived), from_client=True)
    assert found.delay_ns.tolist() == [1_000_000, 1_000_000, 2_000_007, 1_000_000]
