"""The engine without Docker; the rest is in tests/integration."""

from typing import Any

import pytest
from docker.errors import APIError, DockerException

from testbed.errors import HostError
from testbed.stack.docker_engine import (
    SUBNET_ATTEMPTS,
    DockerEngine,
    _epoch,
    _host_config,
)
from testbed.stack.ports import ContainerSpec


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
    """A client that creates networks after these errors."""

    def __init__(self, *errors: str) -> None:
        self.errors = list(errors)
        self.subnets: list[str] = []

    def create_network(self, _name: str, **options: Any) -> dict[str, str]:
        self.subnets.append(options["ipam"]["Config"][0]["Subnet"])
        if self.errors:
            raise APIError("refused", explanation=self.errors.pop(0))
        return {"Id": "abc"}


def with_client(client: object) -> DockerEngine:
    engine = DockerEngine()
    engine._idle.put(client)  # type: ignore[arg-type]
    return engine


def test_a_subnet_in_use_is_replaced_by_another() -> None:
    networks = Networks(*["Pool overlaps with other one on this address space"] * 3)
    assert with_client(networks).create_network("n", {}).id == "abc"
    assert len(set(networks.subnets)) == 4


def test_a_project_prefix_without_free_subnets() -> None:
    networks = Networks(*["Pool overlaps with other one on this address space"] * SUBNET_ATTEMPTS)
    with pytest.raises(HostError, match="are all in use") as caught:
        with_client(networks).create_network("n", {})
    assert "testbed clean" in caught.value.hint


@pytest.mark.parametrize(
    "message",
    [
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
        "all predefined address pools have been fully subnetted",
    ],
)
def test_an_engine_without_addresses(message: str) -> None:
    with pytest.raises(HostError, match=message) as caught:
        with_client(Networks(message)).create_network("n", {})
    assert "docker network prune" in caught.value.hint


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
