import random
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import HostError, InputError
from testbed.stack.subnets import (
    IPV4_RANGE,
    IPV6_RANGE,
    Leases,
    Network,
    Ranges,
    free_subnet,
    host_routes,
    is_taken,
    parse_ranges,
)
from tests.support.networks import TAKEN

ROUTE_HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
ROUTES = (
    ROUTE_HEADER
    + "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    + "tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
    + "tun0\t00000080\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
    + "utun\t000012C6\t00000000\t0001\t0\t0\t0\tFCFFFFFF\t0\t0\t0\n"
    + "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
)
ROUTES6 = (
    "fd7c9a4153be00010000000000000000 40 00000000000000000000000000000000 00 "
    "00000000000000000000000000000000 00000100 00000001 00000000 00000001 br-1\n"
    "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
    "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n"
    "ff000000000000000000000000000000 08 00000000000000000000000000000000 00 "
    "00000000000000000000000000000000 00000100 00000005 00000000 00000001     eth0\n"
)


def test_routes_without_those_that_lead_everywhere() -> None:
    assert list(map(str, host_routes(ROUTES, ROUTES6))) == [
        "198.18.0.0/30",
        "172.17.0.0/16",
        "fd7c:9a41:53be:1::/64",
        "ff00::/8",
    ]


@pytest.mark.parametrize("text", ["", "\n", ROUTE_HEADER, "a\nb c\n"])
def test_a_machine_without_routes(text: str) -> None:
    assert host_routes(text, text) == []


@pytest.mark.parametrize("message", TAKEN)
def test_answers_of_engines_about_addresses_in_use(message: str) -> None:
    assert is_taken(f"create network n: {message}")


@pytest.mark.parametrize("message", ["network with name n already exists", "no space left on device", ""])
def test_other_answers_of_engines(message: str) -> None:
    assert not is_taken(message)


@pytest.mark.parametrize("text", ["", " ", ","])
def test_the_default_ranges(text: str) -> None:
    assert parse_ranges(text) == Ranges((IPV4_RANGE,), (IPV6_RANGE,))


def test_ranges_of_one_family_leave_the_other_as_it_is() -> None:
    assert parse_ranges("10.1.0.0/16,10.2.0.0/29") == Ranges(
        (IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.0/29")), (IPV6_RANGE,)
    )
    assert parse_ranges("fd00::/56").ipv6 == (IPv6Network("fd00::/56"),)


def test_ranges_survive_their_text() -> None:
    ranges = parse_ranges("10.1.0.0/16 fd00::/56, fd01::/64")
    assert parse_ranges(str(ranges)) == ranges


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.0.0.1/8", "has host bits set"),
        ("fd00::/200", "does not appear to be an IPv4 or IPv6 network"),
        ("ten", "does not appear to be an IPv4 or IPv6 network"),
        ("10.0.0.0/30", "10.0.0.0/30 has no room for a /29"),
        ("fd00::/65", "fd00::/65 has no room for a /64"),
        ("0.0.0.0/1", "0.0.0.0/1 is more than a /8"),
        ("0.0.0.0/8", "is of this network"),
        ("127.0.0.0/16", "has no addresses for a network of containers"),
        ("224.0.0.0/8", "has no addresses"),
        ("169.254.0.0/16", "has no addresses"),
        ("ff00::/16", "has no addresses"),
        ("fe80::/16", "has no addresses"),
    ],
)
def test_unusable_ranges(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        parse_ranges(f"10.9.0.0/16 {text}")
    assert all(problem.startswith("TESTBED_SUBNETS: ") for problem in caught.value.problems)
    assert "198.18.0.0/15" in caught.value.hint


def subnets_of(within: Network, prefixlen: int) -> list[Network]:
    return list(within.subnets(new_prefix=prefixlen))


@st.composite
def some_used(draw: st.DrawFn) -> tuple[Network, int, list[Network]]:
    """A small range, the prefix of its subnets, and networks inside, around and beside it, of both families."""
    within, bits = draw(st.sampled_from([(ip_network("198.18.0.0/25"), 29), (ip_network("fd00::/60"), 64)]))
    around = ip_network("198.18.0.0/24") if bits == 29 else ip_network("fd00::/59")
    lengths = st.integers(around.prefixlen, around.max_prefixlen)
    addresses = st.integers(int(around.network_address), int(around.broadcast_address))
    used = [
        type(around)((address, length), strict=False)
        for address, length in draw(st.lists(st.tuples(addresses, lengths), max_size=12))
    ]
    return within, bits, [*used, IPv4Network("10.0.0.0/8"), IPv6Network("fd7c::/16")]


@given(some_used(), st.integers(0, 99))
def test_a_free_subnet_overlaps_nothing_that_is_used(case: tuple[Network, int, list[Network]], seed: int) -> None:
    within, bits, used = case
    free = [
        subnet
        for subnet in subnets_of(within, bits)
        if not any(subnet.version == each.version and subnet.overlaps(each) for each in used)
    ]
    found = free_subnet(within, used, random.Random(seed))
    assert (found in free) if free else found is None


def test_every_free_subnet_is_found() -> None:
    within, used = IPv4Network("198.18.0.0/25"), [IPv4Network("198.18.0.32/27"), IPv4Network("198.18.0.9/32")]
    found = {free_subnet(within, used, random.Random(seed)) for seed in range(400)}
    assert found == {each for each in subnets_of(within, 29) if not any(each.overlaps(other) for other in used)}


def leased(leases: Leases, names: Sequence[str]) -> list[Network]:
    found: list[Network] = []
    for name in names:
        lease = leases.lease(name, ())
        found += (lease.ipv4, lease.ipv6)
    return found


def test_leases_do_not_overlap() -> None:
    found = leased(Leases(random.Random(1)), [f"n{number}" for number in range(200)])
    assert len(set(found)) == 400
    assert all(each.subnet_of(IPV4_RANGE) for each in found if isinstance(each, IPv4Network))
    assert all(each.subnet_of(IPV6_RANGE) for each in found if isinstance(each, IPv6Network))


def test_a_network_has_room_for_its_gateway_and_two_sidecars() -> None:
    lease = Leases(random.Random(1)).lease("n", ())
    assert len(list(lease.ipv4.hosts())) == 6
    assert lease.ipv6.prefixlen == 64


def test_the_next_range_follows_when_one_is_used_up() -> None:
    ranges = Ranges((IPv4Network("10.1.0.0/29"), IPv4Network("10.2.0.0/29")))
    leases = Leases(random.Random(1), ranges)
    assert [str(leases.lease(name, ()).ipv4) for name in "ab"] == ["10.1.0.0/29", "10.2.0.0/29"]
    with pytest.raises(
        HostError, match=r"create network c: no subnet of 10\.1\.0\.0/29, 10\.2\.0\.0/29 is free"
    ) as full:
        leases.lease("c", ())
    assert "TESTBED_SUBNETS" in full.value.hint
    leases.release("a")
    assert str(leases.lease("c", ()).ipv4) == "10.1.0.0/29"


def test_a_range_that_a_route_covers_has_nothing_free() -> None:
    with pytest.raises(HostError, match=r"no subnet of 198\.18\.0\.0/15 is free"):
        Leases(random.Random(1)).lease("n", [IPv4Network("198.18.0.0/15")])
    with pytest.raises(HostError, match=r"no subnet of fd7c:9a41:53be::/48 is free"):
        Leases(random.Random(1)).lease("n", [IPv6Network("fd00::/8")])


def test_a_release_of_what_was_not_leased_does_nothing() -> None:
    Leases(random.Random(1)).release("n")
