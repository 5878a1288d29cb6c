"""The real-time policy of a sidecar: which process has it, what happens where it is refused, and that it is bounded."""

import json
import os
import re
import subprocess
from typing import Any

import pytest

from tests.support.link_traffic import wait_for_line
from tests.support.sidecar import Bed, Sidecar

SCHED_DEADLINE = 6
SYS_NICE = 1 << 23
DEADLINE = re.compile(r"deadline (0\.2 ms of 2|1 ms of 20|0\.5 ms of 20) ms")

# Of every process in this container: its command, its policy and its permitted capabilities; see proc_pid_stat(5).
LOOK = """
import json, pathlib
found = []
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    command = (folder / "cmdline").read_bytes().replace(bytes(1), b" ").decode().strip()
    policy = int((folder / "stat").read_text().rpartition(")")[2].split()[38])
    words = (folder / "status").read_text().split()
    found.append([command, policy, int(words[words.index("CapPrm:") + 1], 16)])
print(json.dumps(found))
"""
FLOOD = """
import socket, sys
address = socket.getaddrinfo("server", 9000, socket.AF_INET, socket.SOCK_DGRAM)[0][4]
source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
source.connect(address)
print("flooding", flush=True)
while True:
    try:
        source.send(bytes(58))
    except ConnectionRefusedError:
        pass
"""


def processes(sidecar: Sidecar) -> list[tuple[str, int, int]]:
    """Return command, policy and permitted capabilities of the sidecar's own processes."""
    status, output = sidecar.container.exec_run(["python3", "-c", LOOK])
    assert status == 0, output
    return [
        (command, policy, permitted)
        for command, policy, permitted in json.loads(output)
        if "docker-init" not in command and "pathlib" not in command
    ]


def check(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in document["checks"] if each["name"] == name)
    return found


def test_only_the_engines_process_is_realtime_and_none_keeps_the_capability(made: Bed) -> None:
    client, server = made.pair(engine="user", impairment="delay 5ms")
    for sidecar in (client, server):
        assert DEADLINE.fullmatch(sidecar.wait("link")["scheduling"])
        found = processes(sidecar)
        policies = {command.split()[0]: [] for command, _, _ in found}
        for command, policy, _ in found:
            policies[command.split()[0]].append(policy)
        assert sorted(policies.pop("python3")) == [os.SCHED_OTHER, SCHED_DEADLINE]
        assert policies == {"tcpdump": [os.SCHED_OTHER, os.SCHED_OTHER]}
        assert not [command for command, _, permitted in found if permitted & SYS_NICE]
    document = client.netem("doctor")[1]
    assert document["scheduling"] == check(document, "scheduling")["fact"]
    assert DEADLINE.fullmatch(document["scheduling"])
    assert DEADLINE.fullmatch(client.stop()["counters"]["link"]["scheduling"])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"real_time": False}, "the container has no CAP_SYS_NICE"), ({"realtime": "off"}, "switched off")],
    ids=["refused", "off"],
)
def test_without_real_time_the_link_works_and_the_reason_is_reported(
    made: Bed, settings: dict[str, Any], reason: str
) -> None:
    sidecar = made.sidecar("alone", engine="user", impairment="delay 5ms", **settings)
    assert sidecar.wait("link")["scheduling"] == f"ordinary: {reason}"
    sidecar.wait("ready")
    assert {policy for _, policy, _ in processes(sidecar)} == {os.SCHED_OTHER}
    assert not [command for command, _, permitted in processes(sidecar) if permitted & SYS_NICE]
    assert sidecar.stop()["counters"]["link"]["scheduling"] == f"ordinary: {reason}"


def test_required_and_refused_is_one_error(made: Bed) -> None:
    sidecar = made.sidecar("alone", engine="user", impairment="delay 5ms", real_time=False, realtime="require")
    assert sidecar.wait_exit() == 1
    (error,) = sidecar.events("error")
    assert error["attempt"] == "run the user engine under a real-time policy"
    assert error["message"] == "the container has no CAP_SYS_NICE"
    assert "SYS_NICE" in error["hint"]


def test_a_sidecar_confined_to_some_processors_reports_why(made: Bed) -> None:
    """The kernel refuses SCHED_DEADLINE to a task that may not use all processors; SCHED_FIFO depends on its groups."""
    sidecar = made.sidecar("alone", engine="user", impairment="delay 5ms", processors="0")
    scheduling = sidecar.wait("link")["scheduling"]
    if os.cpu_count() == 1:
        assert DEADLINE.fullmatch(scheduling)
    else:
        assert scheduling == "fifo 10" or scheduling.startswith(
            "ordinary: deadline: the container may not use all processors; fifo: "
        )
    sidecar.wait("ready")


def test_a_plain_link_has_no_process_to_schedule(made: Bed) -> None:
    sidecar = made.sidecar("alone", realtime="require")
    assert sidecar.wait("link")["scheduling"] is None
    sidecar.wait("ready")


@pytest.mark.alone("it floods all processors")
def test_a_flood_through_the_engine_leaves_the_machine_its_shell(made: Bed) -> None:
    client, _ = made.pair(engine="user", server_engine="auto", server_impairment="", client_impairment="delay 10ms")
    floods = [client.start(FLOOD) for _ in range(os.cpu_count() or 1)]
    for flood in floods:
        wait_for_line(flood, "flooding")
    for _ in range(20):
        assert subprocess.run(["/bin/sh", "-c", "echo here"], capture_output=True, check=True).stdout == b"here\n"
        assert client.container.exec_run(["echo", "here"]).output == b"here\n"
    for flood in floods:
        flood.reload()
        assert flood.status == "running", "the flood lasted all the time"
        flood.kill()
    counters = client.stop()["counters"]["link"]
    assert counters["measured"]["packets_out"] > 10_000
    assert DEADLINE.fullmatch(counters["scheduling"])
