"""Provide fixtures for tests that need a Docker engine; `pytest tests/integration --family ipv4|ipv6|both`.

With `-n 4 --dist loadgroup` four tests run at a time: names of networks, images and folders are of one test or of one
process, and a test that others would disturb, or that would disturb them, has the mark `alone` with its reason.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest

from testbed.ownership import RUN
from testbed.pytest_plugin import (  # noqa: F401 - pytest uses the names that it finds here
    pytest_addoption,
    pytest_configure,
    pytest_generate_tests,
    pytest_runtest_makereport,
    testbed_cell,
    testbed_engine,
    testbed_guests,
    testbed_images,
    testbed_rigs,
)
from testbed.stack.clean import remove_all
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import Images
from tests.support.image_builds import build_image, remove_image
from tests.support.machine_lock import MachineLock
from tests.support.sidecar import Bed, bed
from tools.lane_runner import LOCKS

START_S = 90.0
"""A run builds nothing here, but other tests may load the machine."""

ALONE, LONG = "alone", "long"
TIMEOUT_S = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long tests first, and those that run alone last, so that the machine is emptied for them once.

    They may wait longer for the machine, in a fixture, than a test may last.
    """
    items.sort(key=lambda item: bool(item.get_closest_marker(ALONE)) - bool(item.get_closest_marker(LONG)))
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S, func_only=True))


@pytest.fixture(autouse=True)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Share the machine with the tests of other processes, or have it alone."""
    own = tmp_path_factory.getbasetemp()
    of_session = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    lock = MachineLock(Path(os.environ.get(LOCKS, of_session)))
    mark = request.node.get_closest_marker(ALONE)
    with lock.alone() if mark else lock.shared():
        yield


@dataclass
class Command:
    """Run the command line with its own folder for runs."""

    output: Path
    environment: dict[str, str] = field(default_factory=dict)

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "testbed", *arguments]

    def env(self) -> dict[str, str]:
        return (
            os.environ
            | {"TESTBED_RUN_OUTPUT": str(self.output), "TESTBED_MATRIX_OUTPUT": str(self.output)}
            | self.environment
        )

    def __call__(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.argv(*arguments), env=self.env(), capture_output=True, text=True, timeout=120, check=False
        )

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.argv(*arguments), env=self.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def interrupted_at(self, line: str, number: signal.Signals, *arguments: str) -> tuple[int, str, str]:
        """Send a signal as soon as `line` appears on standard error; return exit code and both outputs."""
        with self.start(*arguments) as process:
            assert process.stderr is not None
            stderr = ""
            deadline = time.monotonic() + START_S
            while line not in stderr:
                read = process.stderr.readline()
                assert read, f"it ended before {line!r}: {stderr}"
                assert time.monotonic() < deadline, f"no {line!r}: {stderr}"
                stderr += read
            process.send_signal(number)
            stdout, rest = process.communicate(timeout=START_S)
            return process.returncode, stdout, stderr + rest

    def runs(self) -> list[str]:
        return sorted(path.name for path in self.output.glob("*-*-*") if path.is_dir() and not path.is_symlink())

    def cell(self) -> Path:
        """Return the folder of the only cell of the newest run."""
        return next(path for path in (self.output / self.runs()[-1]).iterdir() if (path / "client").is_dir())

    def result(self) -> dict[str, Any]:
        document = json.loads((self.cell() / "result.json").read_text())
        assert isinstance(document, dict)
        return document


@pytest.fixture
def command(tmp_path: Path, testbed_engine: DockerEngine) -> Iterator[Command]:  # noqa: F811 - pytest's way
    """Run `testbed` with its own folder; afterwards no resource of its runs may be left in Docker."""
    made = Command(tmp_path / "runs")
    yield made
    left = [found.handle for run in made.runs() for found in testbed_engine.find(f"{RUN}={run}")]
    remove_all(testbed_engine, left)
    assert not left


@pytest.fixture(scope="session")
def image_tag() -> Callable[[str], str]:
    """Return a function that returns the tag for a test's image; other processes do not use or remove it."""
    own = secrets.token_hex(4)
    return lambda name: f"testbed-test-{name}:{own}"


@pytest.fixture(scope="session")
def script_image(
    testbed_engine: DockerEngine,  # noqa: F811
    image_tag: Callable[[str], str],
) -> Iterator[Callable[[str, str], str]]:
    """Provide a function that builds an image whose program is a shell script; it supports both roles and no other."""

    made: list[str] = []

    def make(name: str, script: str) -> str:
        program = f'#!/bin/sh\ncase "$TESTBED_ROLE" in client|server) ;; *) exit 127;; esac\n{script}\n'
        dockerfile = 'FROM debian:trixie-slim\nCOPY program /program\nENTRYPOINT ["sh", "/program"]\n'
        tag = image_tag(name)
        build_image(testbed_engine, tag, {"Dockerfile": dockerfile.encode(), "program": program.encode()})
        made.append(tag)
        return tag

    yield make
    for tag in made:
        remove_image(tag)


@pytest.fixture
def made(testbed_images: Images) -> Iterator[Bed]:  # noqa: F811 - pytest's way
    """Make a network with nothing on it, for sidecars of this checkout; remove it and them afterwards."""
    client = docker.from_env()
    with bed(client, testbed_images.ours("netem")[0]) as given:
        yield given
    client.close()
