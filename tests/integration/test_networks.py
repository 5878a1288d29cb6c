"""More networks at the same time than Docker's own pools hold, and what happens when addresses are in use."""

import random
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from ipaddress import IPv4Network, ip_network
from itertools import combinations
from pathlib import Path

import pytest

from testbed.stack.clean import remove_all
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.ports import Handle
from testbed.stack.subnets import IPV4_RANGE, IPV6_RANGE, Leases, Network, Ranges

pytestmark = pytest.mark.docker

LABEL = "testbed.test"
NETWORKS = 40
"""Docker's own pools hold 31, one of which is the default bridge's."""

THREADS = 8


@pytest.fixture
def label(testbed_engine: DockerEngine) -> Iterator[str]:
    """The value of a label; what has it is removed."""
    value = f"networks-{secrets.token_hex(4)}"
    yield value
    assert remove_all(testbed_engine, [found.handle for found in testbed_engine.find(f"{LABEL}={value}")]) == []


def subnets_of(engine: DockerEngine, handle: Handle) -> list[Network]:
    with engine._request("inspect a network") as client:
        pools = client.inspect_network(handle.id)["IPAM"]["Config"]
    return [ip_network(pool["Subnet"]) for pool in pools]


def create(engine: DockerEngine, label: str, number: int) -> Handle:
    return engine.create_network(f"testbed-{label}-{number}", {LABEL: label})


def test_forty_networks_at_the_same_time(testbed_engine: DockerEngine, label: str) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        created = list(pool.map(lambda number: create(testbed_engine, label, number), range(NETWORKS)))
    subnets = [subnet for handle in created for subnet in subnets_of(testbed_engine, handle)]
    assert len(subnets) == 2 * NETWORKS
    assert not any(one.overlaps(other) for one, other in combinations(subnets, 2))
    for subnet in subnets:
        within = IPV4_RANGE if subnet.version == 4 else IPV6_RANGE
        assert subnet.overlaps(within)
        assert subnet.prefixlen == {4: 29, 6: 64}[subnet.version]


def test_docker_decides_between_two_processes(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One engine knows nothing of what the other took since, and gets the only subnet that is left."""
    monkeypatch.setattr("testbed.stack.docker_engine.ROUTES", (Path("/nowhere"), Path("/nowhere")))
    ranges = Ranges((IPv4Network("198.19.255.192/26"),))
    first, second = (DockerEngine(leases=Leases(random.Random(seed), ranges)) for seed in (1, 2))
    with closing(first), closing(second):
        first.connect()
        second.connect()
        second.remove(create(second, label, 0))
        created = [create(first, label, number) for number in range(7)]
        created.append(create(second, label, 7))
        assert len({subnets_of(first, handle)[0] for handle in created}) == 8


def test_a_subnet_that_a_route_has_is_left_out(label: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    routes = tmp_path / "route"
    routes.write_text("Iface\n" + "tun0\t000012C6\t00000000\t0001\t0\t0\t0\t0080FFFF\t0\t0\t0\n")
    monkeypatch.setattr("testbed.stack.docker_engine.ROUTES", (routes, Path("/nowhere")))
    engine = DockerEngine(leases=Leases(random.Random(1), Ranges((IPv4Network("198.18.0.0/16"),))))
    with closing(engine):
        engine.connect()
        subnets = [subnets_of(engine, create(engine, label, number))[0] for number in range(4)]
    assert all(subnet.subnet_of(IPv4Network("198.18.128.0/17")) for subnet in subnets)
