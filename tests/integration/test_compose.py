"""Run the compose stack as a user does, with the images of this checkout and no project code on the host."""

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 120
ONCE = ("up", "--abort-on-container-exit", "--exit-code-from", "client")
ERASE_LINE = "\x1b[2K"
"""Some versions of Compose print it before each line in spite of the option."""

REQUESTED_MS = 50
"""The default delay of the stack in each direction."""

DELAY_TOLERANCE_MS = "2000"
"""Tolerance of the delay: the machine does other work, and other tests check how exact links are."""

pytestmark = pytest.mark.docker


@dataclass(frozen=True)
class Stack:
    name: str
    environment: dict[str, str]

    def compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["docker", "compose", "--project-name", self.name, "--ansi", "never", *arguments],
            cwd=ROOT,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        done.stdout = done.stdout.replace(ERASE_LINE, "")
        return done

    def events(self, service: str) -> dict[str, dict[str, object]]:
        """Return the last event of each kind that a sidecar printed."""
        lines = self.compose("logs", "--no-log-prefix", service).stdout.splitlines()
        return {event["event"]: event for event in (json.loads(line) for line in lines if line.startswith("{"))}


@contextmanager
def stack(**environment: str) -> Iterator[Stack]:
    subnet = f"fd7c:9a41:53be:{secrets.randbelow(1 << 16):x}::/64"
    made = Stack(
        f"testbed-test-{secrets.token_hex(3)}",
        {"TESTBED_SUBNET6": subnet, "TESTBED_DELAY_TOLERANCE_MS": DELAY_TOLERANCE_MS, **environment},
    )
    try:
        yield made
    finally:
        made.compose("down", "--volumes", "--timeout", "2")


def left(name: str) -> list[str]:
    """Return the resources of a stack that Docker still has."""
    kinds = (("ps", "--all"), ("network", "ls"), ("volume", "ls"))
    argv = ("--quiet", "--filter", f"label=testbed.run={name}")
    return [
        line
        for kind in kinds
        for line in subprocess.run(
            ["docker", *kind, *argv], capture_output=True, text=True, check=True
        ).stdout.splitlines()
    ]


def test_the_client_reaches_both_servers_on_both_families() -> None:
    with stack() as run:
        done = run.compose(*ONCE)
        assert done.returncode == 0, done.stdout + done.stderr
        output = re.findall(r"^client-\d+ +\| (.*)$", done.stdout, re.MULTILINE)
        for host in ("server", "cserver"):
            assert output.count(f"Will connect to {host} : 8888") == 2
        assert output.count("Sending 12764 bytes!") == 4
        assert output.count("Data sent") == 4
        for server in ("server", "cserver"):
            heard = run.compose("logs", "--no-log-prefix", server).stdout
            assert heard.count("Ending connection") == 2
            node = 'Node: 9, rating: 18, price: 27, title: "Book by 9", content length: 1000'
            assert heard.count(node) == 2
        # Both directions are delayed; the quickest of 40 probes is one that nothing else held up for 40 ms.
        rtt_ms = run.events("client-netem")["verified"]["rtt_ms"]
        assert isinstance(rtt_ms, dict)
        assert set(rtt_ms) == {"ipv4", "ipv6"}
        assert all(2 * REQUESTED_MS <= rtt["min"] < 2 * REQUESTED_MS + 40 for rtt in rtt_ms.values()), rtt_ms
        assert '"event"' not in done.stdout, "the sidecars' own log is not for the eyes"
    assert not left(run.name)


def test_two_stacks_run_side_by_side() -> None:
    def once(_: int) -> tuple[str, int, str]:
        with stack(TESTBED_NETEM="delay 5ms") as run:
            done = run.compose(*ONCE)
        return run.name, done.returncode, done.stdout + done.stderr

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(once, range(2)))
    for name, status, output in results:
        assert status == 0, output
        assert not left(name)


def test_the_endpoints_have_no_capabilities_and_publish_no_port() -> None:
    with stack() as run:
        assert run.compose("up", "--detach", "server", "cserver").returncode == 0
        for service in ("server", "cserver"):
            status = run.compose("exec", "-T", service, "cat", "/proc/1/status").stdout
            assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE), status
            assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
            assert not re.search(r"^Uid:\s+0\b", status, re.MULTILINE)
            assert run.compose("exec", "-T", service, "touch", "/here").returncode != 0
            assert not run.compose("port", f"{service}-netem", "8888").stdout.strip().removeprefix(":0")


def test_settings_come_from_the_environment() -> None:
    with stack(TESTBED_NODES="3", TESTBED_CONTENT_BYTES="7", TESTBED_PORT="9999", TESTBED_NETEM="delay 1ms") as run:
        done = run.compose(*ONCE)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("Will connect to server : 9999") == 2
        assert done.stdout.count(f"Sending {4 + 3 * (276 + 7)} bytes!") == 4


def test_an_invalid_impairment_is_reported() -> None:
    with stack(TESTBED_NETEM="delay fast") as run:
        done = run.compose(*ONCE)
        assert done.returncode != 0
        assert "netem" in done.stderr
        assert "fast" in str(run.events("server-netem")["error"])
    assert not left(run.name)
