"""Run `make setup` on a fresh clone, with the real Docker engine, package index and Debian packages."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
MADE_HERE = (".git", ".venv", ".env", "runs", "build", "__pycache__", ".*_cache", ".hypothesis")

pytestmark = pytest.mark.docker


def make(folder: Path, target: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", target], cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def output(*argv: str, **where: Any) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, **where).stdout


@pytest.mark.timeout(600)
@pytest.mark.long
def test_a_fresh_checkout_is_set_up_once(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(*MADE_HERE))
    # A separate plugin folder hides the user's choice of Docker engine, so the environment names it.
    engine = output("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}").strip()
    environment = {"DOCKER_CONFIG": str(tmp_path / "docker-config"), "DOCKER_HOST": engine}
    first = make(checkout, "setup", **environment)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "created in .venv" in first.stdout
    assert "written to .env" in first.stdout
    second = make(checkout, "setup", **environment)
    assert second.returncode == 0
    ready = re.findall(r"^setup: (.*?) +ready(?: \(.* s\))?$", second.stdout, re.MULTILINE)
    assert ready == ["python", "base image", "project", "images"], second.stdout
    assert "run" in output(str(checkout / ".venv/bin/testbed"), "--help")
    images = output("docker", "compose", "config", "--images", cwd=checkout, env=os.environ | environment)
    for image in set(images.split()):
        output("docker", "image", "rm", image)  # fails if the setup has not built it


def test_without_docker_the_setup_prints_one_message() -> None:
    done = make(ROOT, "setup", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.startswith("setup:")]
    assert len(lines) == 1
    assert "does not answer" in lines[0]
    assert "systemctl start docker" in lines[0]
