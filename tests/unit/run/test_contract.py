import pytest

from netem.contract.route_metrics import RouteMetrics
from netem.contract.settings import from_environment, variables
from testbed.peer.contract import OPTION_SPECS
from testbed.run.contract import endpoint_environment, sidecar_environment, sidecar_seed
from testbed.scenario.ends import ROLES, Role
from testbed.scenario.model import Cell


def test_the_environment_of_each_endpoint() -> None:
    cell = Cell(family="ipv6", nodes=3, content=5, chunk="1k", delay="1s", sndbuf="8k", rcvbuf="4k", nodelay=True)
    client, server = endpoint_environment(cell, "client"), endpoint_environment(cell, "server")
    shared = {
        "TESTBED_FAMILY": "ipv6",
        "TESTBED_HOST": "server",
        "TESTBED_PORT": "8888",
        "TESTBED_NODES": "3",
        "TESTBED_CONTENT_BYTES": "5",
        "TESTBED_READ_DELAY_US": "1000000",
        "TESTBED_READ_BYTES": "8192",
        "TESTBED_REPEAT": "1",
        "TESTBED_EVENTS": "/testbed/endpoint/events.csv",
    }
    assert client | shared == client
    assert server | shared == server
    assert (client["TESTBED_ROLE"], server["TESTBED_ROLE"]) == ("client", "server")
    assert (client["TESTBED_SNDBUF_BYTES"], client["TESTBED_RCVBUF_BYTES"], client["TESTBED_NODELAY"]) == (
        "8192",
        "0",
        "1",
    )
    assert (server["TESTBED_SNDBUF_BYTES"], server["TESTBED_RCVBUF_BYTES"], server["TESTBED_NODELAY"]) == (
        "0",
        "4096",
        "0",
    )
    assert server["TESTBED_MAX_TOTAL_BYTES"] == str(cell.list_bytes)


def test_the_environment_of_each_sidecar() -> None:
    cell = Cell(family="ipv6", latency="20ms", netem_server="", engine="user")
    client, server = sidecar_environment(cell, "client"), sidecar_environment(cell, "server")
    assert (client["NETEM_PEERS"], server["NETEM_PEERS"]) == ("server", "")
    assert client["NETEM_FAMILIES"] == "ipv6"
    assert (client["NETEM_IMPAIRMENT"], client["NETEM_ENGINE"]) == ("delay 20ms", "user")
    assert client["NETEM_SEED"] != server["NETEM_SEED"]


def test_seeds_are_repeatable_and_apart() -> None:
    seeds = [sidecar_seed(seed, role) for seed in range(50) for role in ("client", "server")]
    assert len(set(seeds)) == 100
    assert seeds == [sidecar_seed(seed, role) for seed in range(50) for role in ("client", "server")]


def test_the_environment_of_a_sidecar_has_nothing_that_is_not_requested() -> None:
    environment = sidecar_environment(Cell(), "client")
    assert not [name for name in environment if name.startswith("NETEM_ROUTE") or name == "NETEM_PROFILE"]
    assert {
        name: environment[f"NETEM_{name}"] for name in ("ND", "PROBES", "SNAPLEN", "SAMPLE_INTERVAL_MS", "SYSCTLS")
    } == {
        "ND": "0",
        "PROBES": "20",
        "SNAPLEN": "128",
        "SAMPLE_INTERVAL_MS": "20",
        "SYSCTLS": "",
    }
    assert environment["NETEM_ON_ENGINE_DEATH"] == "closed"


def test_each_sidecar_gets_its_own_route_metrics() -> None:
    cell = Cell(
        congestion={"client": "cubic"},
        mtu=1400,
        rto_min="server=300ms",
        quickack={"server": True},
        sysctl={"net.ipv4.tcp_sack": 0, "net.ipv4.tcp_rmem": {"server": "1 2 3"}},
        nd=True,
        probes=0,
        snaplen="64",
        sample_interval="0",
        on_engine_death="open",
    )
    client, server = (sidecar_environment(cell, role) for role in ROLES)
    assert {name: value for name, value in client.items() if "ROUTE" in name} == {
        "NETEM_ROUTE_CONGESTION": "cubic",
        "NETEM_ROUTE_MTU": "1400",
    }
    assert {name: value for name, value in server.items() if "ROUTE" in name} == {
        "NETEM_ROUTE_MTU": "1400",
        "NETEM_ROUTE_RTO_MIN_MS": "300",
        "NETEM_ROUTE_QUICKACK": "1",
    }
    assert (client["NETEM_SYSCTLS"], server["NETEM_SYSCTLS"]) == (
        "net.ipv4.tcp_sack",
        "net.ipv4.tcp_sack net.ipv4.tcp_rmem",
    )
    settings = from_environment(server)
    assert settings.route_metrics == RouteMetrics(mtu_bytes=1400, rto_min_ms=300, quickack=True)
    assert (settings.impair_nd, settings.probes, settings.snaplen_bytes, settings.sample_interval_ms) == (
        True,
        0,
        64,
        0,
    )
    assert settings.on_engine_death == "open"


def test_each_sidecar_gets_its_own_profile() -> None:
    cell = Cell(profile={"server": [{"at": "1s", "netem": "delay 5ms"}]})
    assert "NETEM_PROFILE" not in sidecar_environment(cell, "client")
    assert sidecar_environment(cell, "server")["NETEM_PROFILE"] == '[{"at": "1s", "netem": "delay 5ms"}]'


@pytest.mark.parametrize(
    ("cell", "waits"),
    [
        (Cell(latency="5ms"), "0"),
        (Cell(profile={"client": [{"at": "1s", "netem": "delay 5ms"}]}), "0"),
        (Cell(profile=[{"at": "1s", "netem": "delay 5ms"}]), "1"),
        (Cell(profile=[{"at": "1s", "netem": "delay 5ms"}], probes=0), "0"),
        (Cell(netem_server="duplicate 1%"), "1"),
    ],
)
def test_an_impairment_that_must_not_begin_during_the_probes_waits(cell: Cell, waits: str) -> None:
    assert sidecar_environment(cell, "server")["NETEM_WAIT_FOR_PROBES"] == waits
    assert sidecar_environment(cell, "client")["NETEM_WAIT_FOR_PROBES"] == "0"


def test_an_emulated_machine_does_not_start_the_server_during_the_probes() -> None:
    assert sidecar_environment(Cell(), "server", emulated=True)["NETEM_WAIT_FOR_PROBES"] == "1"
    assert sidecar_environment(Cell(probes=0), "server", emulated=True)["NETEM_WAIT_FOR_PROBES"] == "0"


@pytest.mark.parametrize("role", ROLES)
def test_only_variables_of_the_contracts_are_set(role: Role) -> None:
    cell = Cell(congestion="cubic", mtu=1400, advmss=1000, initcwnd=4, initrwnd=5, rto_min="300ms", quickack="on")
    assert set(endpoint_environment(cell, role)) <= {option.variable for option in OPTION_SPECS}
    assert set(sidecar_environment(cell, role, emulated=True)) <= {variable.name for variable, _ in variables()}
