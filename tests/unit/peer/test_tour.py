import pytest

from testbed.peer.errors import UsageError
from testbed.peer.options import read_options
from testbed.peer.tour import stages


def tour(**environment):
    return [(s.host, s.family, s.events) for s in stages(read_options("client", [], environment))]


def test_every_host_over_every_family():
    assert tour(TESTBED_HOST="a b,c", TESTBED_FAMILY="dual", TESTBED_EVENTS="/e") == [
        ("a", "ipv4", "/e"),
        ("a", "ipv6", "/e.2"),
        ("b", "ipv4", "/e.3"),
        ("b", "ipv6", "/e.4"),
        ("c", "ipv4", "/e.5"),
        ("c", "ipv6", "/e.6"),
    ]
    assert tour(TESTBED_HOST="a", TESTBED_FAMILY="ipv6") == [("a", "ipv6", "")]


def test_no_host():
    with pytest.raises(UsageError):
        tour(TESTBED_HOST=" , ")
