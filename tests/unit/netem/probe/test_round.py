"""Rounds without sockets: a simulated peer on a virtual clock."""

import pytest

from netem.contract.errors import SidecarError
from netem.probe.measurement import Measurement
from netem.probe.message import ECHO, PROBE, Command, Egress, Probe, Reply, encode_probe, encode_reply
from netem.probe.round import GRACE_NS, ProbeRound, RoundState
from tests.support.probed_peer import CONTROL_NS, MS, START_NS, Network, config

SESSION = 7
GRACE_US = GRACE_NS // 1000


def network(text: str = "", peer: str = "", there_ns: int = 0, back_ns: int = 0) -> tuple[ProbeRound, Network]:
    probing = ProbeRound(config(text), SESSION)
    return probing, Network(probing, lambda: peer, there_ns, back_ns)


def measured(probing: ProbeRound) -> Measurement:
    assert probing.state == RoundState.MEASURED
    assert probing.next_deadline_ns is None
    assert probing.measurement is not None
    return probing.measurement


def reply(command: Command, session: int = SESSION, impairment: str = "") -> bytes:
    return encode_reply(Reply(command, session, Egress(impairment, 2 * MS), 0, None, START_NS))


def test_both_directions_are_measured() -> None:
    probing, link = network("delay 20ms", "delay 10ms", there_ns=20 * MS, back_ns=10 * MS)
    link.run()
    found = measured(probing)
    egress, ingress = found.egress, found.ingress
    assert (egress.sent, egress.received, ingress.sent, ingress.received) == (5, 5, 5, 5)
    assert egress.delays is not None
    assert ingress.delays is not None
    assert (egress.delays.min, egress.delays.max) == (20 * MS, 20 * MS)
    assert (ingress.delays.min, ingress.delays.max) == (10 * MS, 10 * MS)
    assert egress.expected.low_p50_ns == 20 * MS
    assert ingress.expected.low_p50_ns == 10 * MS
    assert found.longest_ns == 30 * MS
    assert found.round_trips_ns == (30 * MS,) * 5


def test_the_last_echo_triggers_the_report() -> None:
    _, link = network(there_ns=20 * MS, back_ns=10 * MS)
    link.run()
    assert [name for name, _ in link.sent] == ["hello", *(f"probe {number}" for number in range(5)), "report"]
    assert link.times_us("probe 4")[0] - link.times_us("probe 0")[0] == 4_000
    assert link.times_us("report")[0] - link.times_us("probe 4")[0] == 30_000


def test_the_clock_offset_lies_between_request_and_reply() -> None:
    probing, link = network()
    link.run()
    assert measured(probing).clock_offset_ns == (-CONTROL_NS, CONTROL_NS)


def test_hellos_are_repeated_after_growing_pauses() -> None:
    probing, link = network()
    link.lose["hello"] = 5
    link.lose["helloed"] = 1
    link.run()
    assert link.times_us("hello") == [0, 5_000, 15_000, 35_000, 75_000, 125_000, 175_000]
    assert measured(probing).egress.received == 5


@pytest.mark.parametrize("lost", ["report", "reported"])
def test_a_lost_report_is_requested_again(lost: str) -> None:
    probing, link = network()
    link.lose[lost] = 2
    link.run()
    first, *later = link.times_us("report")
    assert [at_us - first for at_us in later] == [20_000, 40_000]
    # The reply may be to any of the requests; only the first is certain to precede it.
    assert measured(probing).clock_offset_ns == (-CONTROL_NS, 40 * MS + CONTROL_NS)


def test_lost_probes_end_the_round_after_the_longest_round_trip() -> None:
    probing, link = network("delay 20ms", "delay 10ms", there_ns=20 * MS, back_ns=10 * MS)
    link.lose["probe 1"] = 1
    link.run()
    found = measured(probing)
    assert (found.egress.sent, found.egress.received) == (5, 4)
    assert (found.ingress.sent, found.ingress.received) == (4, 4)
    assert (found.ingress.expected.low_received, found.ingress.expected.high_received) == (4, 4)
    assert link.times_us("report")[0] - link.times_us("probe 4")[0] == 30_000 + GRACE_US


def test_a_lost_echo_counts_against_ingress_only() -> None:
    probing, link = network()
    link.lose["echo 4"] = 1
    link.run()
    found = measured(probing)
    assert (found.egress.sent, found.egress.received) == (5, 5)
    assert (found.ingress.sent, found.ingress.received) == (5, 4)


def test_a_late_echo_counts_until_the_report_arrives() -> None:
    probing, link = network()
    link.extra_ns["echo 4"] = GRACE_NS + CONTROL_NS
    link.run()
    assert measured(probing).ingress.received == 5
    assert len(measured(probing).round_trips_ns) == 5


def test_an_echo_after_the_report_does_not_count() -> None:
    probing, link = network()
    link.extra_ns["echo 4"] = GRACE_NS + 3 * CONTROL_NS
    link.run()
    assert measured(probing).ingress.received == 4
    assert len(measured(probing).round_trips_ns) == 4


def test_duplicates_count_once() -> None:
    probing, link = network(there_ns=MS, back_ns=MS)
    link.copies.update({"probe 0": 1, "echo 1": 2})
    link.run()
    found = measured(probing)
    assert (found.egress.received, found.ingress.received) == (5, 5)
    assert found.round_trips_ns == (2 * MS,) * 5
    # A duplicate does not stand in for a probe that is still under way.
    assert link.times_us("report")[0] - link.times_us("probe 4")[0] == 2_000


def test_overtaking_echoes_are_all_counted() -> None:
    probing, link = network()
    link.extra_ns["echo 0"] = 10 * MS
    link.run()
    assert measured(probing).ingress.received == 5
    assert max(measured(probing).round_trips_ns) == 10 * MS


@pytest.mark.parametrize(
    "foreign",
    [
        b"",
        b"\xff" * 64,
        b"[" * 100_000,
        reply(Command.HELLO, session=8),
        reply(Command.REPORT),
        reply(Command.FINISH),
        b'{"kind":"helloed","session":7}',
        encode_probe(Probe(ECHO, 8, 0, 1, 2, 3)),
        encode_probe(Probe(ECHO, SESSION, 0, 1, 2, 3)),
        encode_probe(Probe(PROBE, SESSION, 0, 1)),
    ],
    ids=[
        "empty",
        "noise",
        "deep JSON",
        "another session",
        "report too early",
        "finish too early",
        "incomplete",
        "an echo of another session",
        "an echo of a probe that was not sent",
        "a probe",
    ],
)
def test_foreign_bytes_change_nothing(foreign: bytes) -> None:
    probing = ProbeRound(config(), SESSION)
    probing.start(START_NS)
    before = probing.next_deadline_ns
    assert probing.on_datagram(foreign, START_NS, START_NS) == []
    assert (probing.state, probing.next_deadline_ns) == (RoundState.GREETING, before)
    link = Network(probing, str)
    link.run()
    assert measured(probing).egress.received == 5
    assert measured(probing).round_trips_ns == (0,) * 5


def test_a_second_hello_reply_changes_nothing() -> None:
    probing = ProbeRound(config(), SESSION)
    probing.start(START_NS)
    probing.on_datagram(reply(Command.HELLO), START_NS, START_NS)
    probing.on_deadline(START_NS)
    assert probing.on_datagram(reply(Command.HELLO), START_NS, START_NS) == []
    assert probing.next_deadline_ns == START_NS + MS


def test_late_probes_have_their_own_send_times() -> None:
    """A busy host runs the deadlines late; each probe is stamped when it leaves, and keeps to the first one's grid."""
    probing = ProbeRound(config(), SESSION)
    probing.start(START_NS)
    probing.on_datagram(reply(Command.HELLO), START_NS, START_NS)
    assert probing.next_deadline_ns == START_NS
    probing.on_deadline(START_NS + 90 * MS)
    assert probing.next_deadline_ns == START_NS + 91 * MS
    probing.on_deadline(START_NS + 95 * MS)
    assert probing.next_deadline_ns == START_NS + 92 * MS
    assert probing.state == RoundState.SENDING


@pytest.mark.parametrize("text", ["delay garbage", "delay 5ms 1ms distribution absent"])
def test_an_impairment_that_has_no_model_is_an_error(text: str) -> None:
    probing = ProbeRound(config(), SESSION)
    probing.start(START_NS)
    with pytest.raises(SidecarError, match="model the link to server"):
        probing.on_datagram(reply(Command.HELLO, impairment=text), START_NS, START_NS)


def test_what_selects_by_number_does_not_apply_to_the_probes_of_a_peer() -> None:
    probing, link = network(peer="delay 10ms drop-list 1-3", back_ns=10 * MS)
    link.run()
    assert measured(probing).ingress.expected.low_received == 5


@pytest.mark.parametrize(("own_ns", "peer_ns", "ingress_ns"), [(MS, 2 * MS, 2 * MS), (3 * MS, 2 * MS, 3 * MS)])
def test_the_way_back_has_the_tolerance_of_the_peers_engine(own_ns: int, peer_ns: int, ingress_ns: int) -> None:
    probing = ProbeRound(config(delay_tolerance_ns=own_ns), SESSION)
    link = Network(probing)
    link.peer_tolerance_ns = peer_ns
    link.run()
    found = measured(probing)
    assert (found.egress.delay_tolerance_ns, found.ingress.delay_tolerance_ns) == (own_ns, ingress_ns)


def test_what_delays_the_programs_is_not_the_links_delay() -> None:
    """The kernel's time of the last datagram of each direction is carried by none."""
    probing, link = network(there_ns=20 * MS, back_ns=10 * MS)
    link.preempted_ns = 3 * MS
    link.run()
    found = measured(probing)
    for direction, delay_ns in ((found.egress, 20 * MS), (found.ingress, 10 * MS)):
        assert direction.delays is not None
        assert (direction.delays.min, direction.delays.p50) == (delay_ns, delay_ns)
        assert direction.delays.max == delay_ns + 3 * MS
    assert sorted(found.round_trips_ns) == [30 * MS] * 4 + [33 * MS]
