"""`testbed vm` where nothing is booted; what boots is in tests/integration/test_vm.py."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from testbed.cli.vm_command import command
from testbed.errors import InputError
from testbed.vm.store import GuestImage


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = tmp_path / "testbed" / "vm"
    for name in ("a", "b"):
        (cache / name).mkdir(parents=True)
        GuestImage(cache / name, "sid", "sid", "7.2.13-1", "7.2.13-cloud", "r", {}, "2026-01-01", 1).write()
    (cache / ".part-of-a-dead-build").mkdir()
    return cache


def test_a_guest_that_is_named_twice_is_removed_once(cache: Path) -> None:
    done = CliRunner().invoke(command, ["rm", "a", "a"])
    assert done.output == "removed a\nremoved the leftovers of 1 killed build\n"
    assert [path.name for path in cache.iterdir()] == ["b"]


def test_all_are_removed(cache: Path) -> None:
    done = CliRunner().invoke(command, ["rm", "--all"])
    assert sorted(done.output.splitlines()) == ["removed a", "removed b", "removed the leftovers of 1 killed build"]
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("name", ["nope", "", "host"])
def test_an_unknown_kernel_is_an_input_error_before_anything_is_built(name: str) -> None:
    done = CliRunner().invoke(command, ["build", "--kernel", name])
    assert isinstance(done.exception, InputError)
    assert done.exception.message == f"--kernel: unknown kernel {name!r}"


@pytest.mark.parametrize("arguments", [["rm"], ["rm", "a", "c"]])
def test_an_unknown_name_removes_nothing(cache: Path, arguments: list[str]) -> None:
    done = CliRunner().invoke(command, arguments)
    assert isinstance(done.exception, InputError)
    assert len(list(cache.iterdir())) == 3
