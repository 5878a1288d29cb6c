"""The steps of the setup, with stand-ins for the programs that they call on an otherwise empty PATH."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import setup

NEEDED = ("sh", "env", "cat", "touch", "dirname")
Stand = Callable[[str, str], None]


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """Put a shell script on the PATH; each writes its call to the file `calls` first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(Path("/usr/bin") / name)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker-config"))

    def write(name: str, script: str) -> None:
        path = folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n{script}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def test_absent_unresponsive_and_forbidden_engines_differ(stand: Stand) -> None:
    with pytest.raises(setup.SetupError, match=r"not installed.*apt-get install docker"):
        setup.engine()
    stand("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(setup.SetupError, match=r"does not answer.*Cannot connect.*systemctl start docker"):
        setup.engine()
    stand("docker", "echo 'permission denied while trying to connect' >&2; exit 1")
    with pytest.raises(setup.SetupError, match="group docker"):
        setup.engine()
    stand("docker", "echo 28.0.4")
    assert setup.engine() == "Docker 28.0.4"


def test_absent_programs_are_named(stand: Stand) -> None:
    with pytest.raises(setup.SetupError, match="make is not installed"):
        setup.programs()
    stand("make", "")
    with pytest.raises(setup.SetupError, match=r"gcc is not installed. Install it \(Debian: apt-get install gcc\)"):
        setup.programs()
    stand("gcc", "")
    assert setup.programs() == "present"


def test_a_base_image_that_is_there_is_left_alone(stand: Stand, tmp_path: Path) -> None:
    stand("docker", "exit 0")
    assert setup.base_image() == "ready"
    assert calls(tmp_path) == [f"docker image inspect {setup.BASE_IMAGE}"]


def test_a_base_image_is_pulled_where_a_registry_answers(stand: Stand, tmp_path: Path) -> None:
    stand("docker", 'test "$1" = pull')
    assert setup.base_image() == f"pulled {setup.BASE_IMAGE}"
    assert len(calls(tmp_path)) == 2


def test_a_base_image_is_made_where_no_registry_answers(stand: Stand, tmp_path: Path) -> None:
    stand("docker", 'test "$1" = import && test -s "$4"')
    stand("mmdebstrap", "for last; do :; done; echo tree > $last")
    assert setup.base_image("debian:sid-slim") == "debian:sid-slim built from Debian's packages"
    made, imported = calls(tmp_path)[-2:]
    assert made.startswith("mmdebstrap --quiet --variant=minbase --include=ca-certificates sid /")
    assert imported.startswith('docker import -c CMD ["bash"] /')
    assert imported.endswith(" debian:sid-slim")


def test_a_base_image_that_cannot_be_made_is_not_imported(stand: Stand, tmp_path: Path) -> None:
    stand("docker", "exit 1")
    stand("mmdebstrap", "echo no mirror answers >&2; exit 1")
    with pytest.raises(setup.SetupError, match=r"(?s)no mirror answers.*Try by hand: mmdebstrap .* \| docker import"):
        setup.base_image()
    assert not [call for call in calls(tmp_path) if "import" in call]


def test_without_registry_and_mmdebstrap_the_command_is_given(stand: Stand, tmp_path: Path) -> None:
    stand("docker", "exit 1")
    with pytest.raises(setup.SetupError, match=r"Install mmdebstrap, or .* mmdebstrap .* \| docker import"):
        setup.base_image()


def test_a_compose_that_is_new_enough_is_left_alone(stand: Stand, tmp_path: Path) -> None:
    stand("docker", "echo 2.36.0")
    assert setup.compose_plugin() == "Compose 2.36.0"
    assert not (tmp_path / "docker-config").exists()


@pytest.mark.parametrize("old", ["exit 1", "echo 1.29.2"], ids=["absent", "version 1"])
def test_compose_is_put_into_the_users_folder(stand: Stand, tmp_path: Path, old: str) -> None:
    plugin = tmp_path / "docker-config" / "cli-plugins" / "docker-compose"
    stand("docker", f'test "$1" = run && echo program && exit; test -x {plugin} && exit; {old}')
    assert str(plugin.parent) in setup.compose_plugin()
    assert plugin.read_text() == "program\n"
    assert os.access(plugin, os.X_OK)


def test_a_compose_that_cannot_be_fetched_leaves_nothing(stand: Stand, tmp_path: Path) -> None:
    stand("docker", "echo half a program; echo no network >&2; exit 1")
    with pytest.raises(setup.SetupError, match=r"no network.*by hand"):
        setup.compose_plugin()
    assert not list((tmp_path / "docker-config" / "cli-plugins").iterdir())


def test_an_emulator_that_is_there_is_left_alone(stand: Stand) -> None:
    stand(setup.EMULATOR, "exit 1")
    assert setup.emulator() == "present"


def test_an_absent_emulator_is_installed_by_root_only(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand("apt-get", "exit 0")
    monkeypatch.setattr(setup.os, "geteuid", lambda: 1000)
    with pytest.raises(setup.SetupError, match=r"not installed.*apt-get install .*qemu-system-x86"):
        setup.emulator()
    monkeypatch.setattr(setup.os, "geteuid", lambda: 0)
    assert setup.emulator() == "installed from Debian's packages"
    assert calls(tmp_path)[-1].endswith(f"install -y -qq --no-install-recommends {setup.EMULATOR_PACKAGE}")


def test_each_checkout_gets_a_project_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(setup, "ROOT", tmp_path / name)
        assert setup.project() == "written to .env"
        written.append((tmp_path / name / ".env").read_text())
        assert setup.project() == "ready"
        assert (tmp_path / name / ".env").read_text() == written[-1]
    assert written[0] != written[1]
    assert "COMPOSE_PROJECT_NAME=testbed-" in written[0]
    assert f"TESTBED_SUBNET6={setup.ULA_PREFIX}:" in written[0]


def test_a_digest_follows_names_and_contents_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    folder = tmp_path / "app"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "a").write_text("1")
    first = setup.digest([folder])
    (folder / "__pycache__" / "a.pyc").write_text("cache")
    os.utime(folder / "a", (0, 0))
    assert setup.digest([folder]) == first
    (folder / "a").write_text("2")
    assert setup.digest([folder]) != first
    (folder / "a").rename(folder / "b")
    assert setup.digest([folder]) != first != setup.digest([folder], "extra")


def test_the_steps_stop_at_the_first_that_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> str:
        raise setup.SetupError("It is not there.", "Get it.")

    monkeypatch.setattr(setup, "WITH_DOCKER", (("one", lambda: "ready"), ("two", fails), ("three", fails)))
    monkeypatch.setattr(sys, "argv", ["setup"])
    assert setup.main() == 1
    shown = capsys.readouterr()
    assert shown.out.splitlines() == ["setup: one        ready", "setup: two        failed"]
    assert shown.err == "setup: It is not there. Get it.\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout with nothing but the script in it."""
    (tmp_path / "checkout" / "tools").mkdir(parents=True)
    shutil.copy(setup.ROOT / "tools" / "setup", tmp_path / "checkout" / "tools")
    return tmp_path / "checkout"


def start(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([checkout / "tools/setup", *arguments], capture_output=True, text=True, check=False)


def test_a_python_that_is_too_old_is_named(stand: Stand, checkout: Path) -> None:
    stand("python3", '[ "$1" = --version ] && echo Python 3.9.2 && exit; exit 1')
    done = start(checkout)
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed, found Python 3.9.2" in done.stderr


def test_a_python_that_is_not_there(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON", "/nonexistent/python")
    assert "Python 3.11 or newer is needed, found none. " in start(checkout).stderr


def test_a_python_without_venv_differs_from_one_that_is_too_old(stand: Stand, checkout: Path) -> None:
    stand("python3", 'case "$2" in *venv*) exit 1;; esac')
    done = start(checkout)
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr


def test_a_newer_python_beside_an_old_one_is_found(stand: Stand, checkout: Path) -> None:
    stand("python3", "exit 1")
    stand("python3.13", '[ "$1" = -c ] || echo "chosen: $2"')
    done = start(checkout, "--no-docker")
    assert done.stdout == "chosen: --no-docker\n"


def test_an_environment_keeps_its_python(stand: Stand, checkout: Path) -> None:
    stand("python3", '[ "$1" = -c ] || echo "not this one"')
    stand("python3.12", '[ "$1" = -c ] || echo "chosen: $1"')
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho python3.12\n")
    python.chmod(0o755)
    assert start(checkout).stdout == f"chosen: {checkout}/tools/setup.py\n"
