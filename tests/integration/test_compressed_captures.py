"""Read the captures that a run has compressed with the programs that others use: zstd and tshark."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.analysis.packets.capture import analyse_capture
from testbed.compressed.expand import expand
from tests.integration.conftest import Command
from tests.support import tshark_oracle
from tests.support.tshark_tools import Tools, provide_tools

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600, func_only=True)]

SCENARIO = "cells: {client: c, server: c, nodes: 100, delay: 20ms, rcvbuf: 16k, family: [ipv4, ipv6]}\n"
"""The window closes: the captures have more than data and acknowledgements."""

FILE = "/tools/capture.pcap.zst"


@pytest.fixture(scope="module")
def tools() -> Iterator[Tools]:
    with provide_tools() as made:
        yield made


@pytest.fixture
def captures(command: Command, tmp_path: Path) -> list[Path]:
    """Return the four captures of a run with two cells."""
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(SCENARIO)
    done = command("matrix", str(scenario), "--no-again")
    assert done.returncode == 0, done.stdout + done.stderr
    found = sorted((command.output / command.runs()[-1]).glob("*/*/capture.pcap.zst"))
    assert len(found) == 4
    return found


def expanded(path: Path) -> bytes:
    found = expand(path)
    assert found is not None
    assert found.flaw == ""
    return bytes(found.buffer)


def test_zstd_and_tshark_read_what_a_run_has_compressed(tools: Tools, captures: list[Path]) -> None:
    seen: set[str] = set()
    for path in captures:
        tools.put({"capture.pcap.zst": path.read_bytes()})
        tools.run("zstd", "-t", FILE)
        assert "XXH64" in tools.run("zstd", "-lv", FILE), "a checksum that zstd -t verifies"
        tools.run("zstd", "-d", "-f", FILE, "-o", "/tools/capture.pcap")
        data = tools.get("/tools/capture.pcap")
        assert data == expanded(path)
        ours = analyse_capture(data)
        for name in (FILE, "/tools/capture.pcap"):
            compared = tshark_oracle.compare(ours, tshark_oracle.parse(tools.run(*tshark_oracle.arguments(name))))
            assert compared.differences == []
            assert compared.compared > 20
            seen |= set(compared.flags)
    assert "window_full" in seen or "zero_window" in seen


def test_zstd_notices_damage_that_we_notice(tools: Tools, captures: list[Path], tmp_path: Path) -> None:
    whole = captures[0].read_bytes()
    middle = len(whole) // 2
    damaged = {
        "cut": whole[:middle],
        "changed": whole[:middle] + bytes([whole[middle] ^ 0x10]) + whole[middle + 1 :],
    }
    for name, data in damaged.items():
        tools.put({"capture.pcap.zst": data})
        assert tools.container.exec_run(["zstd", "-t", FILE]).exit_code != 0, name
        (tmp_path / name).write_bytes(data)
        found = expand(tmp_path / name)
        assert found is not None
        assert found.flaw, name


def test_what_zstd_compresses_is_read(tools: Tools, captures: list[Path], tmp_path: Path) -> None:
    """Also the strongest level, with a larger window, and two frames in one file."""
    data = expanded(captures[0])
    half = len(data) // 2
    tools.put({"whole": data, "first": data[:half], "second": data[half:]})
    for command in ("zstd -1 -c whole", "zstd -19 --long=27 -c whole", "zstd -c first && zstd -c --no-check second"):
        tools.run("sh", "-c", f"cd /tools && ({command}) > made.zst")
        (tmp_path / "made.zst").write_bytes(tools.get("/tools/made.zst"))
        assert expanded(tmp_path / "made.zst") == data
