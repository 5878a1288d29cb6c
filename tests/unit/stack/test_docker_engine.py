"""What of the engine can be tried without one; the rest is in tests/integration."""

from typing import Any

import pytest
from docker.errors import APIError, DockerException
from requests.exceptions import ConnectionError, ReadTimeout  # noqa: A004 - not the builtin one

from testbed.errors import EngineLostError, HostError
from testbed.stack.docker_engine import (
    SUBNET_ATTEMPTS,
    DockerEngine,
    _epoch,
    _explanation,
    _host_config,
    _lost_connection,
    _system_error,
)
from testbed.stack.ports import ContainerSpec


def test_a_system_error_is_found_below_its_wrappings() -> None:
    inner = PermissionError(13, "Permission denied")
    assert _system_error(ConnectionError(("aborted", inner))) is None
    assert _system_error(RuntimeError("x", ConnectionError("aborted", inner))) is inner
    assert _explanation(RuntimeError("odd.")) == "odd"


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
    """A client that makes networks, after as many refusals as there are."""

    def __init__(self, *refusals: str) -> None:
        self.refusals = list(refusals)
        self.subnets: list[str] = []

    def create_network(self, _name: str, **options: Any) -> dict[str, str]:
        self.subnets.append(options["ipam"]["Config"][0]["Subnet"])
        if self.refusals:
            raise APIError("refused", explanation=self.refusals.pop(0))
        return {"Id": "abc"}


def with_client(client: object) -> DockerEngine:
    engine = DockerEngine()
    engine._idle.put(client)  # type: ignore[arg-type]
    return engine


def test_another_subnet_is_taken_when_one_is_in_use() -> None:
    networks = Networks(*["Pool overlaps with other one on this address space"] * 3)
    assert with_client(networks).create_network("n", {}).id == "abc"
    assert len(set(networks.subnets)) == 4


def test_a_project_prefix_that_is_full() -> None:
    networks = Networks(*["Pool overlaps with other one on this address space"] * SUBNET_ATTEMPTS)
    with pytest.raises(HostError, match="are all in use") as caught:
        with_client(networks).create_network("n", {})
    assert "testbed clean" in caught.value.hint


@pytest.mark.parametrize(
    "said",
    [
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
        "all predefined address pools have been fully subnetted",
    ],
)
def test_an_engine_without_addresses(said: str) -> None:
    with pytest.raises(HostError, match=said) as caught:
        with_client(Networks(said)).create_network("n", {})
    assert "docker network prune" in caught.value.hint


def test_a_page_of_an_answer_is_cut_to_its_first_line() -> None:
    assert _explanation(RuntimeError("404 for url (<html>\n<body>\n</html>)")) == "404 for url (<html>"
    assert _explanation(RuntimeError()) == "RuntimeError"


def test_a_socket_that_one_may_not_use_has_its_own_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_engine: DockerEngine) -> None:
        raise DockerException("aborted", PermissionError(13, "Permission denied"))

    monkeypatch.setattr(DockerEngine, "_client", refused)
    with pytest.raises(HostError, match=r"connect to the Docker engine.*: Permission denied") as caught:
        DockerEngine().connect()
    assert "usermod -aG docker" in caught.value.hint


def test_an_engine_that_has_gone_is_told_apart() -> None:
    said = r"^start x: the engine cannot be reached any more: Permission denied$"
    with pytest.raises(EngineLostError, match=said), _lost_connection("start x"):
        raise ConnectionError("aborted", PermissionError(13, "Permission denied"))
    with pytest.raises(EngineLostError, match="it closed the connection"), _lost_connection("start x"):
        raise ConnectionError(("Connection aborted.", "Remote end closed connection without response"))
    with pytest.raises(ReadTimeout), _lost_connection("start x"):
        raise ReadTimeout


class Recorder:
    def create_host_config(self, **options: object) -> dict[str, object]:
        return options


def test_no_container_has_more_rights_than_it_needs() -> None:
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
