from netem.probe.delays import Delays
from netem.probe.echoes import Echoes
from netem.probe.message import ECHO, Command, Egress, Probe, Reply


def echo(sequence: int, sent_ns: int, received_ns: int, echoed_ns: int) -> Probe:
    return Probe(ECHO, 1, sequence, sent_ns, received_ns, echoed_ns)


def report(received: int, p50_ns: int) -> Reply:
    return Reply(Command.REPORT, 1, Egress("", 0), received, Delays(p50_ns, p50_ns, p50_ns, p50_ns), 0)


def test_a_round_trip_leaves_out_the_turnaround() -> None:
    echoes = Echoes()
    echoes.add(echo(0, 100, 110, 150), 155)
    assert echoes.delays_ns == [5]
    assert echoes.round_trips_ns([100]) == (15,)


def test_the_kernels_send_times_replace_the_programs() -> None:
    """The peer was preempted for 30 ns before it sent the echo of probe 1, this end for 40 ns before probe 0."""
    echoes = Echoes()
    echoes.add(echo(1, 200, 212, 213), 250)
    echoes.add(echo(0, 100, 150, 151)._replace(previous=1, previous_ns=243), 158)
    assert echoes.delays_ns == [7, 7]
    assert echoes.round_trips_ns([140, 200]) == (19, 17)
    assert echoes.sent_ns([140, 200], report(2, 12)) == [151, 243]


def test_the_first_echo_of_a_probe_counts() -> None:
    echoes = Echoes()
    echoes.add(echo(0, 100, 110, 110), 115)
    echoes.add(echo(0, 100, 110, 110), 190)
    assert len(echoes) == 1
    assert echoes.delays_ns == [5]


def test_lost_echoes_are_estimated_from_the_median_delay() -> None:
    echoes = Echoes()
    echoes.add(echo(1, 200, 212, 213), 220)
    # Probes 0 and 2 arrived too, or 0 alone: their echoes were lost.
    assert echoes.sent_ns([100, 200, 300], report(3, 12)) == [112, 213, 312]
    assert echoes.sent_ns([100, 200, 300], report(2, 12)) == [112, 213]
    assert echoes.sent_ns([100, 200, 300], report(1, 12)) == [213]
    assert echoes.sent_ns([100, 200, 300], Reply(Command.REPORT, 1, Egress("", 0), 0, None, 0)) == [213]
