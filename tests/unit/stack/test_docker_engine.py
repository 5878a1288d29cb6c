"""The engine without Docker; the rest is in tests/integration."""

import random
from ipaddress import IPv4Network
from typing import Any

import pytest
from docker.errors import APIError, DockerException

from testbed.errors import HostError, InputError
from testbed.stack.docker_engine import (
    SUBNET_ATTEMPTS,
    DockerEngine,
    _epoch,
    _host_config,
)
from testbed.stack.ports import ContainerSpec
from testbed.stack.subnets import Leases, Ranges
from tests.support.networks import TAKEN


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-22T19:40:59Z", 1795376459.0),
        ("2026-11-22T19:40:59.123456789Z", 1795376459.0),
        ("2026-11-22T21:40:59.5+02:00", 1795376459.0),
        (None, 0.0),
        ("", 0.0),
        ("yesterday", 0.0),
    ],
)
def test_times_of_the_engine(text: str | None, seconds: float) -> None:
    assert _epoch(text) == seconds


class Networks:
    """A client that creates networks after these errors, on an engine that has others already."""

    def __init__(self, *errors: str, others: tuple[str, ...] = ()) -> None:
        self.errors = list(errors)
        self.others = others
        self.subnets: list[tuple[str, ...]] = []

    def networks(self) -> list[dict[str, Any]]:
        bare = {"Name": "host", "IPAM": {"Config": None}}
        return [bare, *({"IPAM": {"Config": [{"Subnet": subnet}]}} for subnet in self.others)]

    def create_network(self, name: str, **options: Any) -> dict[str, str]:
        self.subnets.append(tuple(pool["Subnet"] for pool in options["ipam"]["Config"]))
        if self.errors:
            raise APIError("refused", explanation=self.errors.pop(0))
        return {"Id": f"id of {name}"}

    def remove_network(self, _network: str) -> None:
        pass


def with_client(client: object, ranges: Ranges | None = None) -> DockerEngine:
    engine = DockerEngine(leases=Leases(random.Random(1), ranges))
    engine._idle.put(client)  # type: ignore[arg-type]
    return engine


def two_subnets() -> Ranges:
    return Ranges(ipv4=(IPv4Network("198.18.0.0/28"),))


@pytest.mark.parametrize("message", TAKEN)
def test_subnets_in_use_are_replaced_by_others(message: str) -> None:
    networks = Networks(*[message] * 3)
    assert with_client(networks).create_network("n", {}).id == "id of n"
    assert len(set(networks.subnets)) == 4


def test_a_network_without_ipv6() -> None:
    networks = Networks()
    with_client(networks).create_network("n", {}, ipv6=False)
    (subnets,) = networks.subnets
    assert [IPv4Network(subnet).prefixlen for subnet in subnets] == [29]


def test_subnets_that_are_always_in_use() -> None:
    networks = Networks(*[TAKEN[0]] * SUBNET_ATTEMPTS)
    with pytest.raises(HostError, match="create network n: other networks had the addresses of all 16") as caught:
        with_client(networks).create_network("n", {})
    assert "TESTBED_SUBNETS" in caught.value.hint


def test_another_error_of_a_network_is_raised_at_once() -> None:
    networks = Networks("no space left on device")
    with pytest.raises(HostError, match="create network n: no space left on device"):
        with_client(networks).create_network("n", {})
    assert len(networks.subnets) == 1


def test_networks_have_neither_each_others_subnets_nor_those_of_other_networks() -> None:
    networks = Networks(others=("198.18.0.0/29", "172.17.0.0/16"))
    engine = with_client(networks, two_subnets())
    engine.create_network("a", {})
    assert networks.subnets[0][0] == "198.18.0.8/29"
    with pytest.raises(HostError, match=r"no subnet of 198\.18\.0\.0/28 is free"):
        engine.create_network("b", {})


def test_a_removed_network_returns_its_subnets() -> None:
    networks = Networks()
    engine = with_client(networks, two_subnets())
    for number in range(10):
        engine.remove(engine.create_network(f"n{number}", {}))
    assert {ipv4 for ipv4, _ in networks.subnets} == {"198.18.0.0/29", "198.18.0.8/29"}


def test_a_network_that_was_not_created_holds_no_subnets() -> None:
    networks = Networks(*["no space left on device"] * 5)
    engine = with_client(networks, two_subnets())
    for _ in range(5):
        with pytest.raises(HostError, match="no space left"):
            engine.create_network("n", {})
    assert engine.create_network("n", {})


def test_the_environment_names_the_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTBED_SUBNETS", "10.213.0.0/24 fd00:1:2:3::/64")
    networks = Networks()
    engine = DockerEngine()
    engine._idle.put(networks)  # type: ignore[arg-type]
    engine.create_network("n", {})
    ipv4, ipv6 = networks.subnets[0]
    assert ipv4.startswith("10.213.0.")
    assert ipv6 == "fd00:1:2:3::/64"


def test_a_wrong_range_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTBED_SUBNETS", "10.0.0.0/33")
    with pytest.raises(InputError, match="TESTBED_SUBNETS: "):
        DockerEngine()


def test_a_socket_without_permission_has_its_own_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise DockerException("aborted", PermissionError(13, "Permission denied"))

    monkeypatch.setattr("docker.DockerClient.from_env", refused)
    with pytest.raises(HostError, match=r"connect to the Docker engine.*: Permission denied") as caught:
        DockerEngine().connect()
    assert "usermod -aG docker" in caught.value.hint


class Recorder:
    def create_host_config(self, **options: object) -> dict[str, object]:
        return options


def test_no_container_has_more_privileges_than_it_needs() -> None:
    spec = ContainerSpec("n", "i", {}, {}, joins="abc", volume="v", mount_at="/testbed")
    config: dict[str, object] = dict(_host_config(Recorder(), spec))  # type: ignore[arg-type]
    assert config["network_mode"] == "container:abc"
    assert config["cap_drop"] == ["ALL"]
    assert config["cap_add"] is None
    assert config["devices"] is None
    assert config["cpu_shares"] is None
    assert config["read_only"] is True
    assert config["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in config
    assert "port_bindings" not in config


def test_a_container_without_a_network_has_none() -> None:
    config: dict[str, object] = dict(_host_config(Recorder(), ContainerSpec("n", "i", {}, {})))  # type: ignore[arg-type]
    assert config["network_mode"] == "none"
