"""A running matrix is killed, and continued in its folder."""

import json

from tests.integration.conftest import Command

SCENARIO = "cells:\n  delay: [20ms, 21ms, 22ms, 23ms]\n  nodes: 100\n"


def test_a_run_that_was_killed_is_resumed(command: Command) -> None:
    command.output.mkdir(parents=True, exist_ok=True)
    scenario = command.output / "s.yaml"
    scenario.write_text(SCENARIO)
    process = command.start("matrix", str(scenario), "-j", "2")
    assert process.stdout is not None
    for line in process.stdout:  # until the first cell has its result; others run
        if "passed" in line:
            break
    process.kill()
    process.communicate(timeout=60)
    (run,) = command.runs()
    index = (command.output / run / "results.jsonl").read_bytes()
    before = [json.loads(line)["folder"] for line in index.splitlines()]
    assert 1 <= len(before) < 4
    kept = {name: (command.output / run / name / "cell.json").read_bytes() for name in before}

    done = command("matrix", str(scenario), "--resume", run, "-j", "2")
    assert done.returncode == 0, done.stderr
    assert f"{len(before)} of 4 cells have a result and are kept" in done.stderr
    assert "4 cells: 4 passed" in done.stdout
    assert command.runs() == [run]
    assert {name: (command.output / run / name / "cell.json").read_bytes() for name in before} == kept
    document = json.loads((command.output / run / "run.json").read_text())
    assert len([name for name in document["statuses"] if not name.endswith(".a2")]) == 4
    assert set(document["statuses"].values()) == {"passed"}
    assert not (command.output / run / ".lock").exists()
