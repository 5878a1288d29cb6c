"""How a docker command ends; its effect is tested in tests/integration/test_vm.py."""

import os
from pathlib import Path

import pytest

from testbed.stack import docker_cli


def test_a_build_that_is_interrupted_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho $$\nexec sleep 600\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    lines = []

    def interrupt(line: str) -> None:
        lines.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        docker_cli.build(tmp_path, "Dockerfile", "tag", {}, interrupt)
    assert not Path("/proc", lines[0]).exists()
