"""Kill a matrix of cells that run at the same time: one start later nothing is left, and finished cells are kept."""

import secrets
from pathlib import Path

import pytest

from benchmarks.kill_proof import prove, summary
from testbed.stack.docker_engine import DockerEngine

pytestmark = pytest.mark.docker

KILLS = 4


@pytest.mark.alone("any other run removes the leftovers that it looks at")
def test_after_kill_9_one_start_removes_everything_and_keeps_finished_cells(
    testbed_engine: DockerEngine, tmp_path: Path
) -> None:
    """A sample of `make soak`, at other moments each time."""
    seed = secrets.randbelow(1 << 32)
    proofs = list(prove(testbed_engine, tmp_path, KILLS, seed, ("--no-again",)))
    text, holds = summary(proofs, seed)
    assert holds, (text, [proof.wrong for proof in proofs])
    assert sum(len(proof.had.processes) for proof in proofs) > 0, text
