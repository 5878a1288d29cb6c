"""Test the command line without Docker: usage, help, plans, exit codes."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from click.testing import CliRunner

from testbed import cli
from testbed.__main__ import main
from testbed.errors import DeadlineError, HostError, InputError
from testbed.scenario.model import Cell
from testbed.scenario.validate import Problem, validate
from tests.support.command_line import run_testbed

COMMANDS = list(cli.COMMANDS)


def run_process(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `testbed ARGUMENTS` as the user does; most tests need no process of their own."""
    argv = [sys.executable, "-m", "testbed", *arguments]
    return subprocess.run(argv, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    shown = CliRunner().invoke(cli.cli, [name, "--help"])
    assert shown.exit_code == 0
    assert f"Usage: cli {name}" in shown.output
    assert "-h, --help" in shown.output


def modules_after(*arguments: str) -> tuple[str, set[str]]:
    """Return what `testbed ARGUMENTS` prints, and the modules that it has imported."""
    code = f"import sys; from testbed.cli import run_cli; run_cli({list(arguments)}); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *shown, loaded = done.stdout.splitlines()
    return "\n".join(shown), set(loaded.split())


def test_the_list_of_commands_imports_none_of_them() -> None:
    shown, loaded = modules_after("--help")
    assert all(f"  {name}" in shown for name in COMMANDS)
    assert not loaded & {"docker", "pydantic", "rich", "ruamel.yaml", "requests", "testbed.cli.run_command"}


def test_a_plan_imports_nothing_that_only_a_run_needs() -> None:
    shown, loaded = modules_after("run", "--dry-run")
    assert "not checked: " in shown
    assert not loaded & {"docker", "numpy", "requests", "ruamel.yaml", "tenacity"}


def test_an_interruption_while_modules_are_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "testbed.cli", Interrupted("testbed.cli"))
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == cli.INTERRUPTED
    assert capsys.readouterr().err == "testbed: interrupted\n"


def test_a_full_output() -> None:
    for arguments in (["run", "--dry-run"], ["run", "--dry-run", "--json"]):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "testbed", *arguments],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert done.returncode == cli.ENVIRONMENT
        assert done.stderr == "testbed: No space left on device\n"


def test_streams_that_are_closed_at_the_start() -> None:
    line = f"exec {shlex.quote(sys.executable)} -m testbed run --dry-run >&- 2>&-"
    assert subprocess.run(["sh", "-c", line], check=False).returncode == cli.PASSED


@pytest.mark.parametrize(
    ("error", "code"),
    [(InputError(["a", "b"]), 2), (HostError("no engine", hint="start it"), 3), (DeadlineError("x", 1), 4)],
)
def test_errors_choose_the_exit_code(error: Exception, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.report_error(error) == code  # type: ignore[arg-type]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err
    assert all(line.startswith("testbed: ") for line in shown.err.splitlines())


def test_a_plan_runs_nothing_and_prints_everything() -> None:
    done = run_process("run", "--dry-run", "--chunk", "10k", "--latency", "20ms", DOCKER_HOST="unix:///nowhere")
    assert done.returncode == 0, done.stderr
    assert "TESTBED_CHUNK_BYTES=10240" in done.stdout
    assert done.stdout.endswith("\nnot checked: images, kernel, kernel settings\n")
    assert "impairment of what the client sends: delay 20ms; engine auto" in done.stdout


def test_a_dry_run_names_the_guests_kernel_if_there_is_one() -> None:
    assert "kernel: sid, in a guest VM" in run_testbed("run", "--dry-run", "--kernel", "sid").stdout
    assert "kernel:" not in run_testbed("run", "--dry-run").stdout


def test_a_plan_as_a_document() -> None:
    done = run_testbed("run", "--dry-run", "--json", "--family", "ipv6")
    document = json.loads(done.stdout)
    assert document["cells"][0]["endpoints"]["server"]["TESTBED_FAMILY"] == "ipv6"
    assert document["cells"][0]["total_bytes"] == 255_204


def test_an_option_overrides_its_environment_variable() -> None:
    done = run_testbed(
        "run",
        "--dry-run",
        "--json",
        "--nodes",
        "7",
        TESTBED_RUN_NODES="5",
        TESTBED_RUN_CHUNK="2k",
        TESTBED_RUN_NODELAY="1",
    )
    requested = json.loads(done.stdout)["cells"][0]["requested"]
    assert (requested["nodes"], requested["chunk"], requested["nodelay"]) == (7, 2048, True)


def test_every_wrong_option_is_named_at_once() -> None:
    done = run_testbed("run", "--chunk", "10kbit", "--delay", "1", "--family", "ipv5", "--nodes", "x")
    assert done.returncode == 2
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()[:-1]] == [
        "--family",
        "--nodes",
        "--chunk",
        "--delay",
    ]


def test_a_command_line_is_validated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    validated = []

    def counting(fields: Mapping[str, Any]) -> Cell | list[Problem]:
        validated.append(dict(fields))
        return validate(fields)

    monkeypatch.setattr("testbed.cli.options.validate", counting)
    monkeypatch.setattr("testbed.scenario.expand.validate", counting)
    shown = CliRunner().invoke(cli.cli, ["run", "--dry-run", "--nodes", "7"])
    assert shown.exit_code == 0, shown.output
    assert validated == [{"nodes": "7"}]


def test_options_that_do_not_go_together_are_one_line() -> None:
    done = run_testbed("run", "--latency", "1ms", "--jitter", "5ms")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        "testbed: jitter 5ms exceeds latency 1ms: frames would arrive before they are sent"
    )


def test_no_engine_is_one_message_and_one_document() -> None:
    done = run_process("run", "--json", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert done.returncode == 3
    message = "connect to the Docker engine at unix:///nowhere/docker.sock: No such file or directory"
    assert json.loads(done.stdout)["error"]["message"] == message
    assert done.stderr.splitlines()[0] == f"testbed: {message}"
    assert len(done.stderr.splitlines()) == 2


def test_a_scenario_with_mistakes_names_them_all(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("cells:\n  famly: ipv4\n  chunk: [1k, 2bit]\n")
    done = run_testbed("matrix", str(path))
    assert done.returncode == 2
    assert f"testbed: {path}:2:3: famly: unknown field" in done.stderr
    assert f"testbed: {path}:3:15: chunk: '2bit' names bits" in done.stderr


def test_a_missing_scenario(tmp_path: Path) -> None:
    done = run_testbed("matrix", str(tmp_path / "gone.yaml"))
    assert done.returncode == 2
    assert done.stderr == f"testbed: {tmp_path / 'gone.yaml'}: No such file or directory\n"


def test_a_scenario_as_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text("cells: {family: [ipv4, ipv6]}\n")
    done = run_testbed("matrix", "--dry-run", "--json", str(path))
    assert [cell["requested"]["family"] for cell in json.loads(done.stdout)["cells"]] == ["ipv4", "ipv6"]


def plan(*arguments: str, **environment: str) -> dict[str, object]:
    done = run_testbed("run", "--dry-run", "--json", *arguments, **environment)
    assert done.returncode == 0, done.stderr
    cell = json.loads(done.stdout)["cells"][0]
    assert isinstance(cell, dict)
    return cell


def test_settings_of_the_kernel() -> None:
    cell = plan("--sysctl", "net.ipv4.tcp_sack=0", "--sysctl", "net.ipv4.tcp_rmem=server=1 2 3", "--mtu", "client=1400")
    assert cell["sysctls"] == {
        "client": {"net.ipv4.tcp_sack": "0"},
        "server": {"net.ipv4.tcp_sack": "0", "net.ipv4.tcp_rmem": "1 2 3"},
    }
    planned = plan(TESTBED_RUN_SYSCTL="net.ipv4.tcp_sack=0; net.ipv4.tcp_rmem=1 2 3")
    assert (
        planned["requested"] | {"sysctl": {"net.ipv4.tcp_sack": "0", "net.ipv4.tcp_rmem": "1 2 3"}}
        == planned["requested"]
    )


def test_a_profile_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "profile.yaml").write_text("- {at: 1s, netem: delay 5ms}\n")
    cell = plan("--profile", str(tmp_path / "profile.yaml"))
    assert cell["requested"] | {"profile": [{"at": "1s", "netem": "delay 5ms"}]} == cell["requested"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sysctl", "net.ipv4.tcp_sack"), "--sysctl: 'net.ipv4.tcp_sack' is not KEY=VALUE"),
        (("--sysctl", "kernel.x=1"), "--sysctl: 'kernel.x' is not the key of a network sysctl"),
        (("--profile", "missing.yaml"), "missing.yaml: No such file"),
        (("--profile", "latin1.yaml"), "latin1.yaml:2: not UTF-8: the byte 0xe9"),
        (("--profile", "odd.yaml"), "--profile: "),
        (("--netem", "trace missing"), "no such trace file"),
        (("--netem", "trace odd.yaml"), "odd.yaml: "),
        (("--netem", "delay 1ms 1ms distribution odd"), "odd.dist: "),
        (("--engine", "kernel", "--netem", "drop-list 2"), "the kernel engine does not support this"),
    ],
)
def test_an_invalid_link(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "odd.yaml").write_text("at: x\n")
    (tmp_path / "latin1.yaml").write_bytes(b"- at: 1s\n  netem: \xe9\n")
    (tmp_path / "odd.dist").write_text("no numbers\n")
    done = run_testbed("run", "--dry-run", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "kind", "message"),
    [
        (("run", "--json", "--family", "ipv5"), {}, "InputError", "--family: 'ipv4' or 'ipv6', not 'ipv5'"),
        (("run", "--json", "--keep", "x"), {}, "UsageError", "'x' is not one of 'never'"),
        (("run", "--json", "--sysctl", "x"), {}, "InputError", "--sysctl: 'x' is not KEY=VALUE"),
        (("run", "--no-such"), {"TESTBED_RUN_JSON": "1"}, "UsageError", "No such option"),
        (("matrix", "-vq", "missing.yaml", "--json"), {}, "InputError", "missing.yaml: No such file"),
        (("explain", "missing", "--json"), {}, "InputError", "missing: no such run, cell or file"),
    ],
)
def test_an_error_is_one_document_too(
    arguments: tuple[str, ...], environment: dict[str, str], kind: str, message: str
) -> None:
    done = run_testbed(*arguments, **environment)
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == kind
    assert message in error["message"]
    assert message in done.stderr


def test_without_json_an_error_is_on_standard_error_only() -> None:
    done = run_testbed("run", "--family", "ipv5", TESTBED_RUN_JSON="0")
    assert (done.returncode, done.stdout) == (2, "")


def test_an_unknown_variable_in_the_environment_is_a_warning() -> None:
    done = run_testbed("run", "--dry-run", TESTBED_RUN_DELLAY="1s", TESTBED_RUN_CHUNK="1k", TESTBED_MATRIX_X="1")
    assert done.returncode == 0
    assert (
        done.stderr == "testbed: TESTBED_RUN_DELLAY is not an option of this command; did you mean TESTBED_RUN_DELAY?\n"
    )


def test_an_error_does_not_control_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text('cells: {"\\e]0;x\\a": 1}\n')
    done = run_testbed("matrix", str(tmp_path / "s.yaml"))
    assert r"\x1b]0;x\x07: unknown field" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("image", ["a\x1b[31m", "bücher:1", "a b", "-x", "", "x" * 600])
def test_an_invalid_image_name(image: str) -> None:
    done = run_testbed("run", f"--client={image}")
    assert done.returncode == 2
    assert "is neither py, c nor the name of an image" in done.stderr
    assert len(done.stderr) < 300


def test_a_time_out_of_zero_is_invalid() -> None:
    done = run_testbed("run", "--timeout", "0")
    assert done.returncode == 2
    assert "--timeout: a time-out of 0 is invalid" in done.stderr


def test_an_error_of_the_system_is_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(**_: object) -> None:
        raise PermissionError(13, "Permission denied", "/some/file")

    monkeypatch.setattr(cli.cli, "get_command", lambda _ctx, _name: click.Command("run", callback=fails))
    assert cli.run_cli(["run"]) == 3
    assert capsys.readouterr().err == "testbed: /some/file: Permission denied\n"
