import itertools
from dataclasses import replace

import pytest

from netem.contract.settings import Family
from netem.probe import summary
from netem.probe.series import ProbeSeries
from tests.support.probed_peer import CONTROL_NS, MS, Network, config


def series(peer: str, family: Family, there_ns: int, *, control_lost: int = 0) -> ProbeSeries:
    """Run a series to `peer`; its egress is to delay by 20 ms and delays by `there_ns`."""
    wanted = replace(config("delay 20ms"), peer=peer, family=family)
    made = ProbeSeries(wanted, itertools.count(1).__next__)
    network = Network(made, str, there_ns)
    network.lose["reported"] = control_lost
    network.run()
    return made


def test_round_trips_are_pooled_by_family() -> None:
    found = summary.facts([series("a", "ipv4", 20 * MS), series("b", "ipv4", 21 * MS), series("b", "ipv6", 20 * MS)])
    assert found["rtt_ms"] == {
        "ipv4": {"min": 20.0, "median": 20.5, "max": 21.0, "samples": 10},
        "ipv6": {"min": 20.0, "median": 20.0, "max": 20.0, "samples": 5},
    }
    assert [(entry["peer"], entry["family"], entry["direction"]) for entry in found["probes"]] == [
        (peer, family, direction)
        for peer, family in (("a", "ipv4"), ("b", "ipv4"), ("b", "ipv6"))
        for direction in ("egress", "ingress")
    ]


@pytest.mark.parametrize("worse_first", [True, False])
def test_families_narrow_the_clock_offset_of_a_peer(worse_first: bool) -> None:
    """A lost report widens the interval of one family; the other family keeps it narrow."""
    worse, better = series("a", "ipv4", 20 * MS, control_lost=1), series("a", "ipv6", 20 * MS)
    assert worse.clock_offset_ns == (-CONTROL_NS, 20 * MS + CONTROL_NS)
    found = summary.facts([worse, better] if worse_first else [better, worse])
    assert found["clock_offset_ns"] == {"a": [-CONTROL_NS, CONTROL_NS]}


def test_failures_name_peer_family_and_direction() -> None:
    found = summary.failures([series("a", "ipv4", 20 * MS), series("b", "ipv6", 0)])
    (failure,) = found
    assert failure.startswith("b over ipv6, egress: The median one-way delay")


def test_a_series_without_a_round_leaves_no_facts() -> None:
    unstarted = ProbeSeries(config(), itertools.count(1).__next__)
    assert summary.facts([unstarted]) == {"probes": [], "clock_offset_ns": {}, "rtt_ms": {}}
    assert summary.failures([unstarted]) == []
