from netem.contract.for_probes import for_probes
from netem.spec import parse


def test_what_selects_packets_by_number_time_or_protocol_does_not_apply_to_probes() -> None:
    whole = parse("delay 5ms drop-list 1-100 blackhole 0s 10s filter protocol tcp")
    assert for_probes(whole) == parse("delay 5ms")


def test_everything_else_stays() -> None:
    whole = parse("delay 5ms 1ms loss 1% rate 1mbit limit 10 seed 7 slot 1ms")
    assert for_probes(whole) == whole
