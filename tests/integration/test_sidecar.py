"""The sidecar on a real Docker engine: its events, its files, its exit codes."""

import csv
import io
import json
import time
from typing import Any

import pytest

from netem.observe.pcap import read_records, read_snaplen
from netem.observe.rows import COLUMNS
from tests.support.sidecar import Bed, Sidecar, kill_engine

SERVER = """
import socket, sys
with socket.create_server(("::", 8888), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            while connection.recv(65536):
                pass
"""
CLIENT = """
import socket, sys, time
family = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}[sys.argv[1]]
address = socket.getaddrinfo("server", 8888, family, socket.SOCK_STREAM)[0][4]
with socket.socket(family) as connection:
    began = time.monotonic()
    connection.connect(address)
    print(time.monotonic() - began)
    connection.sendall(b"x" * int(sys.argv[2]))
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
"""

BUSY_MS = 200
"""How late a program may run beside other tests; every upper bound here is below the effect of the next cause."""
RESENT_MS = 900
"""The same where the next cause is a SYN or a solicitation that is retransmitted after a second."""


def transfer(client: Sidecar, server: Sidecar, family: str, size_bytes: int) -> float:
    """Send over one connection; return how long connect() took."""
    if not server.events("listening"):
        server.start(SERVER)
        server.wait("listening")
    return float(client.run(CLIENT, family, size_bytes))


def link_json(sidecar: Sidecar) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(sidecar.file("link.json"))
    return document


def test_the_link_is_verified_both_ways_before_ready(made: Bed) -> None:
    client, server = made.pair(client_impairment="delay 20ms", server_impairment="delay 5ms")
    verified = client.wait("verified")
    assert verified["monotonic_ns"] < client.wait("ready")["monotonic_ns"]
    requested = {(probe["family"], probe["direction"]): probe for probe in verified["probes"]}
    assert set(requested) == {(family, way) for family in ("ipv4", "ipv6") for way in ("egress", "ingress")}
    for (_, direction), probe in requested.items():
        low_ms = 20 if direction == "egress" else 5
        assert probe["ok"]
        assert (probe["sent"], probe["received"]) == (20, 20)
        assert low_ms - 0.1 <= probe["delay_ns"]["p50"] / 1e6 <= low_ms + 3
        assert probe["requested"] == f"delay {low_ms}ms"
    for family in ("ipv4", "ipv6"):
        rtt = verified["rtt_ms"][family]
        assert 24.8 <= rtt["min"] <= rtt["median"] <= rtt["max"]
        assert rtt["median"] < 31
        assert rtt["samples"] == 20
    # Both are ready by now, and a sidecar without peers verifies nothing.
    assert server.events("ready")
    assert not server.events("verified")


def test_bytes_connections_and_the_end_are_reported(made: Bed, family: str) -> None:
    client, server = made.pair(impairment="delay 2ms")
    transfer(client, server, family, 300_000)
    assert server.wait("listening")["families"] == ["ipv4", "ipv6"]
    for sidecar, key in ((client, "bytes_written"), (server, "bytes_read")):
        sidecar.wait("idle")
        last = sidecar.events("progress")[-1]
        assert (last[key], last["connections"]) == (300_000, 0)


def test_a_connection_shorter_than_a_sample_is_not_missed(made: Bed) -> None:
    client, server = made.pair(sample_interval_ms=5000)
    transfer(client, server, "ipv4", 10)
    server.wait("idle", timeout_s=4)
    assert server.events("progress")[-1]["bytes_read"] == 10


def test_idle_is_reported_on_request_without_any_connection(made: Bed) -> None:
    _, server = made.pair()
    assert not server.events("idle")
    for count in (1, 2):
        server.container.kill("SIGUSR1")
        server.wait("idle", count, timeout_s=5)


def test_the_raw_files(made: Bed, family: str) -> None:
    client, server = made.pair(impairment="delay 30ms")
    transfer(client, server, family, 400_000)
    for sidecar in (client, server):
        stopped = sidecar.stop()
        assert stopped["capture"]["complete"], stopped["capture"]
        assert link_json(sidecar)["stopped"]["counters"]["sockets"]["samples"] > 0
        assert link_json(sidecar)["link"]["engine"] in ("user", "kernel")
    sent, arrived = handshake_gap_ns(client), handshake_gap_ns(server)
    # Frames are stamped when the endpoint sends them: the client waits two delays, the server answers at once.
    assert 60e6 <= sent < 60e6 + RESENT_MS * 1e6
    assert arrived < 60e6
    rows = list(csv.DictReader(io.StringIO(client.file("sockets.csv").decode())))
    assert tuple(rows[0]) == COLUMNS
    assert {row["family"] for row in rows} == {family}
    stamps = [int(row["monotonic_ns"]) for row in rows]
    assert stamps == sorted(stamps)
    assert max(int(row["bytes_acked"] or 0) for row in rows) == 400_002  # SYN and FIN count
    assert min(int(row["min_rtt"]) for row in rows if row["state"] == "ESTABLISHED") >= 60_000


def handshake_gap_ns(sidecar: Sidecar) -> int:
    """Return the time between SYN and SYN/ACK in the capture."""
    file = io.BytesIO(sidecar.file("capture.pcap"))
    assert read_snaplen(file) == 128
    records = list(read_records(file))
    assert [record.time_ns for record in records] == sorted(record.time_ns for record in records)
    flags = [(record.time_ns, tcp_flags(record.data[16:])) for record in records]
    syn = next(at for at, bits in flags if bits & 0x12 == 0x02)
    return next(at for at, bits in flags if bits & 0x12 == 0x12) - syn


def tcp_flags(frame: bytes) -> int:
    return frame[14 + (20 if frame[12:14] == b"\x08\x00" else 40) + 13]


def test_a_second_each_way_connects_despite_neighbour_discovery(made: Bed, family: str) -> None:
    client, server = made.pair(impairment="delay 1s", probes=5)
    assert 2.0 <= transfer(client, server, family, 1) < 2.0 + RESENT_MS / 1e3


def test_the_impairment_changes_while_it_runs(made: Bed) -> None:
    client, server = made.pair(impairment="delay 5ms", engine="user")
    status, answer = client.netem("change", "delay 200ms")
    assert (status, answer) == (0, {"impairment": "delay 200ms"})
    assert 0.205 <= transfer(client, server, "ipv4", 1) < 0.205 + BUSY_MS / 1e3
    status, answer = client.netem("change", "delay -5ms")
    assert status == 1
    assert "-5ms" in answer["error"]["message"]
    assert [change["impairment"] for change in client.events("change")] == ["delay 200ms"]
    client.stop()
    assert link_json(client)["changes"][0]["impairment"] == "delay 200ms"


def test_a_profile_runs_by_the_sidecars_own_clock(made: Bed) -> None:
    profile = json.dumps([{"at": "0s", "netem": "delay 5ms"}, {"at": "500ms", "netem": "delay 300ms"}])
    client, server = made.pair(engine="user", client_profile=profile)
    ready_ns = client.wait("ready")["monotonic_ns"]
    second = client.wait("change", 2)
    assert second["impairment"] == "delay 300ms"
    assert second["monotonic_ns"] - ready_ns >= 500e6
    assert transfer(client, server, "ipv4", 1) >= 0.3


def test_a_profile_does_not_begin_under_the_probes_of_a_peer(made: Bed) -> None:
    profile = json.dumps([{"at": "0s", "netem": "delay 300ms"}])
    server = made.sidecar("server", engine="user", profile=profile, wait_for_probes=1)
    server.wait("link")
    client = made.sidecar("client", peers="server")
    ready_ns = server.wait("ready")["monotonic_ns"]
    assert ready_ns > client.wait("link")["monotonic_ns"]
    assert server.wait("change")["monotonic_ns"] >= ready_ns
    assert [probe["requested"] for probe in client.wait("verified")["probes"]] == [""] * 4


@pytest.mark.parametrize("policy", ["closed", "open"])
def test_the_engine_dies(made: Bed, policy: str) -> None:
    client, server = made.pair(impairment="delay 100ms", engine="user", client_on_engine_death=policy)
    kill_engine(client.container)
    error = client.wait("error")
    assert f"the link is {policy} from now on" in error["message"]
    if policy == "open":
        assert 0.1 <= transfer(client, server, "ipv4", 1) < 0.2  # one delay instead of two
        client.container.kill("SIGTERM")
    assert client.wait_exit() == 1
    assert client.wait("stopped")["event"] == "stopped"


@pytest.mark.parametrize(
    ("environment", "attempt", "hint"),
    [
        ({"impairment": "delay"}, "read the impairment", ""),
        ({"impairment": "delay 5ms", "engine": "user", "device": "eth7"}, "send frames on eth7", "NETEM_DEVICE"),
        ({"engine": "magic"}, "read NETEM_ENGINE", "auto, kernel, user"),
        ({"peers": "nobody", "deadline_s": 1}, "be ready within 1 s", "NETEM_DEADLINE_S"),
        ({"profile": "{"}, "read the profile", "JSON"),
        ({"engine": "kernel", "impairment": "drop-list 3"}, "use the kernel engine", "NETEM_ENGINE=user"),
    ],
)
def test_an_invalid_setting_is_one_error(made: Bed, environment: dict[str, object], attempt: str, hint: str) -> None:
    sidecar = made.sidecar("alone", **environment)
    assert sidecar.wait_exit() == 1
    (error,) = sidecar.events("error")
    assert error["attempt"] == attempt
    assert hint in error["hint"]
    assert not sidecar.events("ready")


def test_without_a_tun_device_the_user_engine_gives_a_hint(made: Bed) -> None:
    sidecar = made.sidecar("alone", tun=False, engine="user")
    assert sidecar.wait_exit() == 1
    assert "/dev/net/tun" in sidecar.wait("error")["hint"]


def test_auto_chooses_what_works_and_reports_the_reason(made: Bed) -> None:
    sidecar = made.sidecar("alone", impairment="delay 5ms")
    link = sidecar.wait("link")
    status, document = sidecar.netem("doctor")
    assert status == 0
    assert link["engine"] == document["engine"]
    assert {"tap", "clsact", "nfqueue", "ipv6", "capture", "inet_diag", "pressure", "steal", "clock"} <= {
        check["name"] for check in document["checks"]
    }
    assert not [check for check in document["checks"] if check["ok"] and check["hint"]]
    netem = next(check for check in document["checks"] if check["name"] == "netem")
    assert ("no netem in this kernel" in link["reason"]) is not netem["ok"]


def test_a_sidecar_that_fails_leaves_nothing_in_the_namespace(made: Bed) -> None:
    sidecar = made.sidecar("alone", impairment="delay 5ms", engine="user")
    sidecar.wait("ready")
    look = "import os; print(sorted(os.listdir('/sys/class/net')))"
    stayer = sidecar.start(f"import time; time.sleep(2); {look}")
    assert "netem0" in sidecar.run(look)
    kill_engine(sidecar.container)
    assert sidecar.wait_exit() == 1
    stayer.wait(timeout=30)
    assert "netem" not in stayer.logs().decode()


def test_ready_is_quick(made: Bed) -> None:
    began = time.monotonic()
    client, server = made.pair()
    assert time.monotonic() - began < 20
    for sidecar in (client, server):
        events = [event["event"] for event in sidecar.all_events]
        assert events.index("link") < events.index("ready")
