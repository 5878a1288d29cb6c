from concurrent.futures import wait
from dataclasses import replace

import pytest

from testbed.errors import HostError
from testbed.ownership import Owner, ResourceLabels
from testbed.stack.cell import OUTPUT, USER, EndpointSpec, cell_stack, ordinary_user, start_container
from tests.support.fake_engine import FakeEngine

LABELS = ResourceLabels("r", "c", Owner("host.1", "boot", 1, 2))
SPECS = {role: EndpointSpec("image", USER, {"A": role}, {"B": role}) for role in ("client", "server")}


@pytest.mark.parametrize("user", ["", "root", "0", "0:0", "root:adm"])
def test_root_becomes_an_ordinary_user(user: str) -> None:
    assert ordinary_user(user) == USER


@pytest.mark.parametrize("user", ["app", "1000", "65532:65532"])
def test_an_ordinary_user_stays(user: str) -> None:
    assert ordinary_user(user) == ""


def test_the_resources_of_a_cell() -> None:
    engine = FakeEngine()
    with cell_stack(engine, LABELS, SPECS, "netem:1", tun=lambda: True, on_removal_error=pytest.fail) as stack:
        assert sorted(future.result().name for future in stack.endpoints.values()) == [
            "testbed-r-c-client",
            "testbed-r-c-server",
        ]
        assert len(engine.resources) == 7
        specs = {role: process.spec for role, process in engine.processes.items()}
        assert specs["server-netem"].alias == "server"
        assert specs["server-netem"].devices == ("/dev/net/tun",)
        assert specs["server-netem"].environment == {"B": "server"}
        assert (specs["server"].image, specs["server"].user, specs["server"].mount_at) == ("image", USER, "/testbed")
        assert all(spec.labels["testbed.run"] == "r" for spec in specs.values())
    assert engine.resources == {}


def test_without_tun() -> None:
    engine = FakeEngine()
    with cell_stack(engine, LABELS, SPECS, "netem:1", tun=lambda: False, on_removal_error=pytest.fail):
        assert engine.processes["client-netem"].spec.devices == ()


@pytest.mark.parametrize("ipv6", [False, True])
def test_only_ends_that_use_ipv6_get_a_network_with_it(ipv6: bool) -> None:
    engine = FakeEngine()
    specs = {role: replace(spec, ipv6=ipv6) for role, spec in SPECS.items()}
    with cell_stack(engine, LABELS, specs, "netem:1", tun=lambda: True, on_removal_error=pytest.fail):
        assert engine.ipv6 is ipv6


def test_an_error_inside_removes_everything() -> None:
    engine = FakeEngine()
    with (
        pytest.raises(KeyError),
        cell_stack(engine, LABELS, SPECS, "netem:1", tun=lambda: True, on_removal_error=pytest.fail),
    ):
        raise KeyError
    assert engine.resources == {}


def test_a_kept_stack_is_not_removed() -> None:
    engine = FakeEngine()
    with cell_stack(engine, LABELS, SPECS, "netem:1", tun=lambda: True, on_removal_error=pytest.fail) as stack:
        stack.kept = True
    assert len(engine.resources) == 7


def test_nothing_is_removed_twice() -> None:
    engine = FakeEngine()
    with cell_stack(engine, LABELS, SPECS, "netem:1", tun=lambda: True, on_removal_error=pytest.fail) as stack:
        stack.remove(stack.sidecars["client"])
        stack.remove(stack.network)
        stack.remove(stack.endpoints["server"].result())
        engine.fail_on["remove container server-netem"] = HostError("busy")
        stack.remove(stack.sidecars["server"])
        del engine.fail_on["remove container server-netem"]
    assert engine.resources == {}
    removed = [line for line in engine.journal if line.startswith("remove")]
    assert removed.count("remove container server-netem") == 2
    assert len(removed) == 8


def test_the_future_of_an_endpoint_that_cannot_be_created_fails() -> None:
    engine = FakeEngine()
    engine.fail_on["create server"] = HostError("no such image")
    with cell_stack(engine, LABELS, SPECS, "netem:1", tun=lambda: True, on_removal_error=pytest.fail) as stack:
        assert stack.endpoints["client"].result().kind == "container"
        with pytest.raises(HostError, match="no such image"):
            stack.endpoints["server"].result()
    assert engine.resources == {}


def test_failed_removals_are_reported() -> None:
    engine = FakeEngine()
    engine.fail_on["remove network link"] = HostError("in use")
    failures: list[HostError] = []
    with cell_stack(engine, LABELS, SPECS, "netem:1", tun=lambda: True, on_removal_error=failures.append):
        pass
    assert [error.message for error in failures] == ["in use"]


def test_sysctls_and_files_go_to_the_sidecar() -> None:
    engine = FakeEngine()
    specs = {
        role: replace(spec, sysctls={"net.ipv4.tcp_sack": "0"}, files={"a.dist": b"1", "trace": b"5"})
        for role, spec in SPECS.items()
    }
    with cell_stack(engine, LABELS, specs, "netem:1", tun=lambda: True, on_removal_error=pytest.fail) as stack:
        wait(stack.endpoints.values())
        created = {role: process.spec for role, process in engine.processes.items()}
    assert created["client-netem"].sysctls == {"net.ipv4.tcp_sack": "0"}
    assert created["client"].sysctls == {}
    unpacked = {f"{OUTPUT}/link/a.dist": b"1", f"{OUTPUT}/link/trace": b"5"}
    assert engine.unpacked == {"client-netem": unpacked, "server-netem": unpacked}


def test_a_sysctl_that_the_kernel_rejects_is_named() -> None:
    engine = FakeEngine()
    message = "write /proc/sys/net/ipv4/tcp_sack: invalid argument: unknown"
    engine.fail_on["start client-netem"] = HostError(f"start x: runc create failed: {message}")
    with (
        cell_stack(engine, LABELS, SPECS, "netem:1", tun=lambda: True, on_removal_error=pytest.fail) as stack,
        pytest.raises(HostError, match=r"set net\.ipv4\.tcp_sack: the kernel rejects this value"),
    ):
        start_container(engine, stack.sidecars["client"])
