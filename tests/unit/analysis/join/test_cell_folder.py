import json
from dataclasses import replace
from pathlib import Path

import zstandard

from testbed.analysis.join.cell_folder import choose_connection, load_cell, observe_connection
from testbed.analysis.packets.capture import analyse_capture
from tests.support.captures import exchange, pcap
from tests.support.transfers import OFFSET_NS, slow_reader


def test_a_cell_is_loaded_whole(tmp_path: Path) -> None:
    folder = slow_reader().write(tmp_path / "run" / "cell")
    observation = load_cell(folder)
    assert observation.sender.calls("write") is not None
    assert observation.receiver.samples is not None
    assert observation.sender.connection is not None
    assert observation.sender.capture is not None
    assert observation.sender.capture.complete is True
    assert observation.realtime_offset_ns == OFFSET_NS
    assert observation.host["kernel"] == "6.18.0"
    assert observation.twin is None


def test_captures_are_read_compressed_under_their_own_names(tmp_path: Path) -> None:
    folder = slow_reader().write(tmp_path / "run" / "cell")
    raw = load_cell(folder)
    for role in ("client", "server"):
        path = folder / role / "capture.pcap"
        (folder / role / "capture.pcap.zst").write_bytes(zstandard.compress(path.read_bytes()))
        path.unlink()
    observation = load_cell(folder)
    for before, after in ((raw.sender, observation.sender), (raw.receiver, observation.receiver)):
        assert before.capture is not None
        assert after.capture is not None
        assert after.capture.file == before.capture.file
        assert after.capture.facts == before.capture.facts


def test_a_cell_in_a_guest_is_explained_by_the_guests_kernel(tmp_path: Path) -> None:
    machine = {"kernel": "6.1.0-50", "sysctls": {"net.ipv4.tcp_rmem": "1 2 3"}, "accelerator": "tcg"}
    observation = load_cell(slow_reader().write(tmp_path / "run" / "cell", machine=machine))
    assert observation.host["kernel"] == "6.1.0-50"
    assert observation.host["sysctls"] == machine["sysctls"]


def test_a_guest_that_did_not_come_up_is_not_explained_by_this_hosts_kernel(tmp_path: Path) -> None:
    observation = load_cell(replace(slow_reader(), requested={"kernel": "sid"}).write(tmp_path / "run" / "cell"))
    assert observation.host == {}


def test_what_is_missing_is_none(tmp_path: Path) -> None:
    folder = slow_reader().write(tmp_path / "run" / "cell", sidecars={})
    for name in ("events.csv", "sockets.csv", "capture.pcap"):
        (folder / "client" / name).unlink()
    (folder / "server" / "capture.pcap").write_bytes(b"no capture at all, only text")
    (folder.parent / "run.json").unlink()
    observation = load_cell(folder)
    assert (observation.sender.log, observation.sender.samples, observation.sender.capture) == (None, None, None)
    assert observation.receiver.capture is not None
    assert "read capture" in observation.receiver.capture.error
    assert observation.host == {}


def test_the_twin_is_the_cell_that_differs_in_its_family_only(tmp_path: Path) -> None:
    folder = slow_reader().write(tmp_path / "run" / "four")
    requested = json.loads((folder / "cell.json").read_text())["requested"]
    for name, changes in (("six", {"family": "ipv6"}), ("other", {"family": "ipv6", "chunk": 7})):
        (folder.parent / name).mkdir()
        (folder.parent / name / "result.json").write_text(json.dumps({"cell": name, "requested": requested | changes}))
    twin = load_cell(folder).twin
    assert twin is not None
    assert twin["cell"] == "six"


def test_losses_of_the_link_are_counted(tmp_path: Path) -> None:
    measured = {"packets_in": 9, "dropped_loss": 2, "dropped_limit": 1, "corrupted": 4}
    none = {"packets_in": 9, "dropped_loss": 0}
    sidecars = {
        role: {"stopped": {"counters": {"link": {"measured": counted}}}}
        for role, counted in (("client", measured), ("server", none))
    }
    folder = slow_reader().write(tmp_path / "run" / "cell", sidecars=sidecars)
    assert load_cell(folder).link_losses == {"client": 7, "server": 0}


def test_a_capture_from_elsewhere() -> None:
    capture = analyse_capture(pcap(exchange()))
    connection = choose_connection(capture)
    assert connection is not None
    observation = observe_connection(connection, capture, "mine.pcap")
    assert observation.sender.role == "client"
    assert observation.sent_bytes == 2000
    assert choose_connection(analyse_capture(pcap([]))) is None


def test_what_an_end_has_set_for_itself(tmp_path: Path) -> None:
    rmem = {"net.ipv4.tcp_rmem": "4096 8192 16384"}
    sidecars = {
        "client": {"link": {"route": {"ipv4": {"mtu": 800}}, "sysctls": {}}},
        "server": {"link": {"sysctls": rmem}},
    }
    observation = load_cell(slow_reader().write(tmp_path / "run" / "cell", sidecars=sidecars))
    assert (observation.sender.mtu_bytes, observation.sender.sysctls) == (800, {})
    assert (observation.receiver.mtu_bytes, observation.receiver.sysctls) == (None, rmem)
