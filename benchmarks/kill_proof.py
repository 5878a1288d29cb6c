"""Kill `testbed matrix -j 4` at random moments and check what is left: python -m benchmarks.kill_proof --kills 200.

Each kill is SIGKILL to a matrix of short cells, and then one more start, which resumes the run. After that nothing of
the run may be on the machine, every cell that was finished before the kill must be there unchanged, and no result may
be half-written. The moments are shares of the duration of the matrix on this machine; the shares follow from the seed,
which is printed. Options that this program does not have are those of `testbed matrix`. Ctrl-C ends it and cleans up.
"""

import argparse
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from testbed.result import Result
from testbed.stack.docker_engine import DockerEngine
from testbed.units import pluralize
from tests.support.leftovers import Belongings, belongings, left

SCENARIO: Final = """\
# Short cells over the user engine, two thirds of them with its TAP devices in use.
cells:
  nodes: 5
  content: 200
  family: [ipv4, ipv6]
  netem: ["", delay 3ms, delay 3ms 1us]
  engine: user
"""
CELLS: Final = 6
ISOLATIONS: Final = ("fresh", "warm")
MARK: Final = "TESTBED_KILL_PROOF"
WHOLE_S: Final = 5.0
"""How long the matrix takes, until it has been measured."""

EARLIEST_SHARE: Final = 0.05
GONE_WITHIN_S: Final = 10.0
"""The kernel removes network devices a moment after their namespace."""

RESUME_TIMEOUT_S: Final = 300.0
OF_THE_TWIN: Final = "family-pair"
"""The finding that compares a cell with that of the other family: it is made again when that one has ended."""

INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome of one kill."""

    after_s: float
    isolation: str
    finished: int
    """Cells that were finished before the kill."""

    had: Belongings
    wrong: list[str] = field(default_factory=list)
    """A line for each thing that is left, lost or half-written."""

    killed: bool = True
    """False: the matrix had ended by itself."""


def finished_lines(run: Path) -> dict[str, bytes]:
    """Return the whole lines of a run's index, by the folder that each names."""
    try:
        text = (run / "results.jsonl").read_bytes()
    except OSError:
        return {}
    return {json.loads(line)["folder"]: line for line in text.split(b"\n")[:-1]}


def kept(run: Path) -> dict[str, dict[str, Any]]:
    """Return line and result of each finished attempt that a resumed run must keep: all but errors.

    An attempt without a readable result has only the line.
    """
    found: dict[str, dict[str, Any]] = {}
    for folder, line in finished_lines(run).items():
        if json.loads(line)["status"] != "error":
            found[folder] = {"line": line}
            with suppress(OSError, ValueError):
                result = json.loads((run / folder / "result.json").read_bytes())
                for key in ("findings", "not_reported"):
                    result[key] = [each for each in result[key] if each["name"] != OF_THE_TWIN]
                found[folder] |= result
    return found


def changed(run: Path, before: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each attempt that was finished and is not as it was."""
    now = kept(run)
    for folder, attempt in before.items():
        if attempt.keys() == {"line"}:
            yield f"{folder}: in the index before its result was written"
        elif folder not in now:
            yield f"{folder}: it was finished, and is lost"
        elif now[folder] != attempt:
            keys = [key for key in attempt if now[folder].get(key) != attempt[key]]
            yield f"{folder}: it was finished, and was changed: {', '.join(keys)}"


def half_written(run: Path, cells: int) -> Iterator[str]:
    """Yield a line for each document of a run that is incomplete, and for cells that are missing or counted twice."""
    yield from (f"{path.relative_to(run)}: half-written" for path in run.rglob(".*.part"))
    text = (run / "results.jsonl").read_bytes()
    if not text.endswith(b"\n"):
        yield "results.jsonl: its last line is torn"
    folders = [json.loads(line)["folder"] for line in text.splitlines()]
    yield from (f"{folder}: {folders.count(folder)} lines" for folder in set(folders) if folders.count(folder) > 1)
    for folder in folders:
        try:
            Result.model_validate_json((run / folder / "result.json").read_bytes())
        except (OSError, ValidationError) as error:
            yield f"{folder}/result.json: {str(error).splitlines()[0]}"
    on_disk = {path.parent.name for path in run.glob("*/client")}
    yield from (f"{folder}: a folder that is not in the index" for folder in on_disk - set(folders))
    planned = len({json.loads(line)["cell"] for line in text.splitlines()})
    if planned != cells:
        yield f"{planned} of {pluralize(cells, 'cell')} have a result"
    for name in ("run.json", "results.csv", "junit.xml"):
        if not (run / name).is_file():
            yield f"{name}: missing"


class Killer:
    """Runs matrices below a folder and kills them."""

    def __init__(self, engine: DockerEngine, folder: Path, rng: random.Random, options: Sequence[str] = ()) -> None:
        """`options` are further options of `testbed matrix`, such as `--isolation warm`; without that it is drawn."""
        self._engine = engine
        self._folder = folder
        self._rng = rng
        self._options = options
        self._scenario = folder / "cells.yaml"
        self._scenario.write_text(SCENARIO)
        self._token = secrets.token_hex(8)
        self._whole_s = WHOLE_S
        self._isolation = ISOLATIONS[0]

    @property
    def mark(self) -> str:
        """Return the variable that all processes of this proof have in their environment."""
        return f"{MARK}={self._token}"

    def prove(self, number: int) -> Proof:
        """Kill one matrix, start once more, and compare."""
        output = self._folder / str(number)
        after_s = self._whole_s * self._rng.uniform(EARLIEST_SHARE, 1.0)
        self._isolation = self._rng.choice(ISOLATIONS)
        began_s = time.monotonic()
        with self._started(output, str(self._scenario)) as process:
            try:
                shown = process.communicate(timeout=after_s)[0]
            except subprocess.TimeoutExpired:
                seen = finished_lines(_run(output))
                process.kill()
                process.communicate()
            else:
                self._whole_s = time.monotonic() - began_s
                return Proof(
                    after_s,
                    self._isolation,
                    0,
                    Belongings(),
                    _as_exit(process.returncode, "the matrix", shown),
                    killed=False,
                )
        run = _run(output)
        had = belongings(self._engine, run.name) if run.name else Belongings()
        before = kept(run)
        wrong = [f"{folder}: lost by the kill itself" for folder in seen.keys() - finished_lines(run).keys()]
        began_s = time.monotonic()
        wrong += self._start_again(output, run)
        if not before:
            self._whole_s = time.monotonic() - began_s
        again = _run(output)
        wrong += [*changed(again, before), *half_written(again, CELLS)] if again.name else ["no run folder"]
        return Proof(after_s, self._isolation, len(before), had, wrong + self._left(output, had))

    @contextmanager
    def _started(self, output: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """Start a matrix of four cells at a time; whatever ends the block, it ends in order, if it still runs."""
        argv = [sys.executable, "-m", "testbed", "matrix", "-j", "4", "--output", str(output)]
        argv += ["--isolation", self._isolation, *self._options]
        process = subprocess.Popen(
            [*argv, *arguments],
            env=os.environ | {MARK: self._token},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,  # a Ctrl-C at the terminal is for the proof
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.communicate()

    def _start_again(self, output: Path, run: Path) -> list[str]:
        """Resume the run, or begin a new one if the kill came before it had a plan; return what went wrong."""
        resumable = run.name and (run / "run.json").is_file()
        arguments = ("--resume", run.name) if resumable else (str(self._scenario),)
        with self._started(output, *arguments) as process:
            try:
                shown = process.communicate(timeout=RESUME_TIMEOUT_S)[0]
            except subprocess.TimeoutExpired:
                return [f"the next start had not ended after {RESUME_TIMEOUT_S:g} s"]
        return _as_exit(process.returncode, "the next start", shown)

    def _left(self, output: Path, had: Belongings) -> list[str]:
        runs = {path.name for path in output.iterdir() if path.is_dir() and not path.is_symlink()}
        deadline_s = time.monotonic() + GONE_WITHIN_S
        while lines := left(self._engine, runs, [had], self.mark):
            if time.monotonic() > deadline_s:
                break
            time.sleep(0.1)
        return lines


def _run(output: Path) -> Path:
    """Return the newest run folder; one without a name if there is none yet."""
    found = sorted(path for path in output.glob("*-*-*") if path.is_dir() and not path.is_symlink())
    return found[-1] if found else Path()


def _as_exit(code: int | None, what: str, shown: str = "") -> list[str]:
    return [] if code == 0 else [f"{what} exited with {code}: {shown[-2000:]}"]


def summary(proofs: Sequence[Proof], seed: int) -> tuple[str, bool]:
    """Return the line that ends the proof, and whether it holds."""
    kills = [proof for proof in proofs if proof.killed]
    wrong = sum(bool(proof.wrong) for proof in proofs)
    had = [proof.had for proof in kills]
    processes = sum(len(each.processes) for each in had)
    taps, qdiscs = sum(each.taps for each in had), sum(each.qdiscs for each in had)
    facts = (
        f"{pluralize(len(kills), 'kill')}, seed {seed}",
        f"{sum(proof.finished for proof in kills)} finished cells kept",
        f"at the kills there were {processes} processes, {taps} TAP devices and {qdiscs} qdiscs",
        f"{wrong} with something left, lost or half-written",
    )
    return "; ".join(facts), bool(kills) and not wrong


def prove(engine: DockerEngine, folder: Path, kills: int, seed: int, options: Sequence[str] = ()) -> Iterator[Proof]:
    """Yield the outcome of each kill until there were so many; matrices that had ended before do not count."""
    killer = Killer(engine, folder, random.Random(seed), options)
    done = 0
    for number in range(1, 3 * kills + 1):
        proof = killer.prove(number)
        yield proof
        done += proof.killed
        if done == kills:
            return


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run the proof and print a line for each kill; return 1 if one left, lost or tore something."""
    parser = argparse.ArgumentParser(prog="kill_proof", description="Kill running matrices and look at what is left.")
    parser.add_argument("--kills", type=int, default=200, help="how many (default: %(default)d)")
    parser.add_argument("--seed", type=int, default=None, help="of the moments (default: drawn)")
    arguments, options = parser.parse_known_args(argv)
    if arguments.kills < 1:
        parser.error(f"--kills {arguments.kills}: at least 1")
    seed = secrets.randbelow(1 << 32) if arguments.seed is None else arguments.seed
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a script started this in the background
        signal.signal(number, _interrupt)
    print(f"seed {seed}", flush=True)
    proofs: list[Proof] = []
    interrupted = False
    with tempfile.TemporaryDirectory(prefix="testbed-kill-") as folder, closing(DockerEngine()) as engine:
        engine.connect()
        began_s = time.monotonic()
        try:
            for proof in prove(engine, Path(folder), arguments.kills, seed, options):
                proofs.append(proof)
                what = f"{proof.isolation}, killed after {proof.after_s:.2f} s" if proof.killed else "had ended before"
                print(f"{len(proofs)}: {what}, {pluralize(proof.finished, 'finished cell')}", flush=True)
                print(*(f"  {line}" for line in proof.wrong), sep="\n", end="\n" if proof.wrong else "", flush=True)
        except KeyboardInterrupt:
            interrupted = True
            subprocess.run([sys.executable, "-m", "testbed", "clean"], check=True)  # of a killed matrix
        text, holds = summary(proofs, seed)
    print(f"{text}; {time.monotonic() - began_s:.0f} s")
    return INTERRUPTED if interrupted else int(not holds)


if __name__ == "__main__":
    sys.exit(main())
