"""Provoke all kinds of errors: one clear message each, the right exit code, no leftovers, logs kept."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.stack.docker_engine import DockerEngine
from tests.integration.conftest import START_S, Command
from tests.support.engine_proxy import engine_proxy
from tests.support.waiting import wait_until

pytestmark = pytest.mark.docker

ScriptImage = Callable[[str, str], str]

SLOW = ("--delay", "1s", "--timeout", "5m")


def test_no_daemon(command: Command) -> None:
    command.environment["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    done = command("run")
    assert done.returncode == 3
    assert "connect to the Docker engine at unix:///nowhere/docker.sock: No such file or directory" in done.stderr
    assert "testbed: hint: start Docker" in done.stderr
    assert "Traceback" not in done.stderr
    assert command.runs() == []
    assert command("doctor").returncode == 3


@pytest.mark.alone("any other run removes the leftovers that it looks at")
def test_a_lost_engine(command: Command, testbed_engine: DockerEngine, tmp_path: Path) -> None:
    with engine_proxy(tmp_path) as proxy:
        command.environment["DOCKER_HOST"] = proxy.address
        with command.start("run", "-v", *SLOW) as process:
            assert process.stderr is not None
            while "transferring" not in process.stderr.readline():
                pass
            proxy.stop()
            stdout, stderr = process.communicate(timeout=START_S)
    assert process.returncode == 3, stderr
    assert "Traceback" not in stderr
    assert "error: " in stdout
    assert "the Docker engine is no longer reachable" in stdout
    unwrapped = " ".join(stdout.split())
    assert unwrapped.count("hint: start Docker again; `testbed clean` then removes the leftovers") == 2
    (dead,) = command.runs()
    assert testbed_engine.find(f"testbed.run={dead}")
    del command.environment["DOCKER_HOST"]
    assert dead in command("clean").stdout
    assert testbed_engine.find(f"testbed.run={dead}") == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "--chunk", "10kbit", "--delay", "1"), ["--chunk: '10kbit' names bits", "--delay: '1' has no unit"]),
        (("run", "--dellay", "1s"), ["No such option '--dellay'", "--delay"]),
        (("run", "--jitter", "5ms"), ["jitter 5ms requires a latency"]),
        (("matrix", "missing.yaml"), ["missing.yaml: No such file or directory"]),
        (("clean", "--older-than", "3"), ["--older-than: '3' has no unit"]),
        (("no-such",), ["No such command 'no-such'"]),
    ],
)
def test_usage(command: Command, arguments: tuple[str, ...], expected: list[str]) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert all(words in done.stderr for words in expected), done.stderr
    assert done.stdout == ""
    assert command.runs() == []


def test_a_bad_scenario_names_every_mistake(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("cells:\n  famly: ipv4\n  chunk: [1k, 2bit]\n")
    done = command("matrix", str(path))
    assert done.returncode == 2
    assert f"{path}:2:3: famly: unknown field; did you mean 'family'?" in done.stderr
    assert f"{path}:3:15: chunk: '2bit' names bits" in done.stderr


def test_a_missing_image(command: Command) -> None:
    done = command("run", "--server", "no/such-image:1")
    assert done.returncode == 3
    assert "no such image: 'no/such-image:1'" in done.stderr
    assert "docker pull no/such-image:1" in done.stderr


def test_an_image_that_violates_the_contract(command: Command) -> None:
    done = command("run", "--client", "debian:trixie-slim")
    assert done.returncode == 3
    assert "the image debian:trixie-slim does not follow the endpoint contract" in done.stderr
    assert "not 127" in done.stderr
    assert "docs/programs.md" in done.stderr


def test_a_server_that_dies_early_shows_its_last_lines(command: Command, script_image: ScriptImage) -> None:
    image = script_image("dies", "echo one; echo the disk is on fire >&2; exit 3")
    done = command("run", "--server", image)
    assert done.returncode == 1
    assert "failed: the server exited with code 3; its last lines:" in done.stdout
    assert "the disk is on fire" in done.stdout
    assert (command.cell() / "server" / "stderr.log").read_text() == "the disk is on fire\n"
    assert (command.cell() / "server" / "capture.pcap").stat().st_size >= 24


def test_a_client_that_fails(command: Command, script_image: ScriptImage) -> None:
    image = script_image("fails", "echo no such thing >&2; exit 1")
    done = command("run", "--client", image)
    assert done.returncode == 1
    assert "failed: the client exited with code 1; its last lines:\n  no such thing" in done.stdout


def test_an_unsupported_case(command: Command, script_image: ScriptImage) -> None:
    image = script_image("unsupported", "exit 127")
    done = command("run", "--client", image)
    assert done.returncode == 1
    assert "unsupported: the client does not support this case" in done.stdout
    assert command.result()["status"] == "unsupported"


def test_a_client_that_sends_nothing_does_not_pass(command: Command, script_image: ScriptImage) -> None:
    done = command("run", "--client", script_image("idles", "exit 0"))
    assert done.returncode == 1
    assert "failed: the server's output: line 1 is nothing" in done.stdout


def test_a_time_out(command: Command, script_image: ScriptImage) -> None:
    image = script_image("hangs", "exec sleep 600")
    begin = time.monotonic()
    done = command("run", "--client", image, "--timeout", "2s")
    assert done.returncode == 4
    assert "error: waited 2 s for the client to exit" in done.stdout
    assert time.monotonic() - begin < START_S
    assert (command.cell() / "server" / "capture.pcap").exists()


def test_a_hostile_endpoint_cannot_export_files(command: Command, script_image: ScriptImage) -> None:
    script = 'ln -s /etc/shadow "$TESTBED_EVENTS"; ln -s / /testbed/endpoint/capture.pcap; touch /testbed/x; exit 1'
    done = command("run", "--client", script_image("hostile", script))
    assert done.returncode == 1
    assert "client: endpoint/events.csv is not a regular file" in done.stdout
    assert not (command.cell() / "client" / "events.csv").exists()
    assert "Permission denied" in (command.cell() / "client" / "stderr.log").read_text()


@pytest.mark.parametrize("line", ["creating network and link", "verifying the link", "transferring"])
def test_ctrl_c_at_any_moment(command: Command, line: str) -> None:
    code, _, stderr = command.interrupted_at(line, signal.SIGINT, "run", "-v", *SLOW)
    assert code == 130, stderr
    assert stderr.splitlines()[-1] == "testbed: interrupted"
    assert "Traceback" not in stderr
    assert command.result()["reason"] == "the run was interrupted"
    assert (command.cell() / "server" / "netem.jsonl").exists()


def test_ctrl_c_during_the_transfer_keeps_the_raw_files(command: Command) -> None:
    with command.start("run", "-v", *SLOW) as process:
        assert process.stderr is not None
        while "transferring" not in process.stderr.readline():
            pass
        wait_until(lambda: "Data sent" in (command.cell() / "client" / "stdout.log").read_text(), START_S)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=START_S)
    assert process.returncode == 130
    events = (command.cell() / "client" / "events.csv").read_text()
    assert "\nwrite," in events
    assert (command.cell() / "client" / "capture.pcap").stat().st_size > 24


def test_ctrl_c_while_collecting(command: Command) -> None:
    code, _, stderr = command.interrupted_at("collecting", signal.SIGINT, "run", "-v", "--nodes", "1")
    assert code == 130, stderr


def test_sigterm_is_the_same(command: Command) -> None:
    code, _, stderr = command.interrupted_at("transferring", signal.SIGTERM, "run", "-v", *SLOW)
    assert code == 130, stderr


def test_a_second_ctrl_c_ends_the_run_at_once(command: Command, testbed_engine: DockerEngine) -> None:
    with command.start("run", "-v", *SLOW) as process:
        assert process.stderr is not None
        while "transferring" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        while "collecting" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=START_S)
    assert process.returncode == 130
    assert "testbed: ended at once" in stderr
    assert command("run", "--nodes", "1").returncode == 0
    assert testbed_engine.find(f"testbed.run={command.runs()[0]}") == []


@pytest.mark.alone("any other run removes the leftovers that it looks at")
def test_the_next_run_cleans_up_after_kill_9(command: Command, testbed_engine: DockerEngine) -> None:
    with command.start("run", "-v", *SLOW) as process:
        assert process.stderr is not None
        while "transferring" not in process.stderr.readline():
            pass
        process.kill()
        process.wait(timeout=START_S)
    dead = command.runs()[0]
    assert len(testbed_engine.find(f"testbed.run={dead}")) == 7  # 4 containers, 2 volumes, 1 network
    done = command("run", "--nodes", "1")
    assert done.returncode == 0, done.stderr
    # Which run reports it depends on the other runs on this host; the clean-up itself does not.
    assert testbed_engine.find(f"testbed.run={dead}") == []


def test_a_running_run_keeps_its_resources(command: Command, testbed_engine: DockerEngine) -> None:
    with command.start("run", "-v", *SLOW) as process:
        assert process.stderr is not None
        while "transferring" not in process.stderr.readline():
            pass
        alive = command.runs()[0]
        assert alive not in command("clean").stdout
        assert len(testbed_engine.find(f"testbed.run={alive}")) == 7
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=START_S)
    assert process.returncode == 130


def test_an_unwritable_output_folder(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command("run", "--output", str(tmp_path / "file" / "runs"))
    assert done.returncode == 3
    assert "create the run folder" in done.stderr
    assert "choose another folder with --output" in done.stderr


def test_a_closed_pipe_is_no_traceback(command: Command) -> None:
    process = subprocess.run(
        ["sh", "-c", '"$@" | true', "sh", *command.argv("run", "--nodes", "1")],
        env=command.env(),
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    assert "Traceback" not in process.stderr


LEAVES_EARLY = r"""exec bash -c '{
printf "\1\0\0\0"
printf "\0\0\0\0\377\377\377\377\0\0\0\0\0\0\0\0Book by 0"; head -c 247 /dev/zero; printf "\240\206\1\0"
head -c 100000 /dev/zero | tr "\0" a
} > /dev/tcp/server/8888'"""


def test_a_client_that_exits_before_the_server_has_read_everything(command: Command, script_image: ScriptImage) -> None:
    image = script_image("leaves", LEAVES_EARLY)
    done = command("run", "--client", image, "--nodes", "1", "--content", "100000", "--delay", "100ms")
    assert done.returncode == 0, done.stdout
    result = command.result()
    # 100 280 bytes in reads of at most 8192 with read delays: the last read is long after the client's exit.
    assert result["metrics"]["bytes_read"] == 100_280
    assert result["metrics"]["bytes_written"] is None
    assert (command.cell() / "server" / "stdout.log").read_text().endswith("Ending connection\n")
