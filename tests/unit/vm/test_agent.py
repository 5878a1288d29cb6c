from pathlib import Path

import pytest

from testbed.vm.agent import execute, find_port, read_facts, read_sysctls


def test_the_port_is_found_by_its_name(tmp_path: Path) -> None:
    for device, name in (("vport1p0", ""), ("vport1p1", "other"), ("vport2p1", "testbed")):
        (tmp_path / device).mkdir()
        (tmp_path / device / "name").write_text(f"{name}\n")
    assert find_port(tmp_path) == Path("/dev/vport2p1")
    assert find_port(tmp_path / "vport1p0") is None


def test_an_unknown_request_is_rejected() -> None:
    assert execute({"do": "dance"}) == {"event": "rejected", "do": "dance"}
    assert execute({}) == {"event": "rejected", "do": None}


def test_missing_sysctls_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp_rmem").write_text("4096\t131072\t6291456\n")
    assert read_sysctls(["net/tcp_rmem", "net/none"], tmp_path) == {"net.tcp_rmem": "4096 131072 6291456"}


def test_facts() -> None:
    facts = read_facts("Docker/1")
    assert facts["event"] == "ready"
    assert facts["engine"] == "Docker/1"
    assert facts["memory_bytes"] > 0


@pytest.mark.parametrize("message", [{"do": "wake"}, {"do": "wake", "realtime_ns": "x", "entropy": ""}])
def test_an_invalid_request_raises(message: dict[str, object]) -> None:
    with pytest.raises((KeyError, ValueError)):
        execute(message)
