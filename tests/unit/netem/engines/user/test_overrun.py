import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.datapath import build

PROGRAM = """
import json, os, signal, sys
from pathlib import Path
from netem.engines.user.overrun import guard_overruns
guard_overruns(Path(sys.argv[1]))
os.sched_setscheduler(0, os.SCHED_BATCH | os.SCHED_RESET_ON_FORK, os.sched_param(0))
signal.raise_signal(signal.SIGXCPU)
print(json.dumps([os.sched_getscheduler(0), str(signal.getsignal(signal.SIGXCPU))]))
"""


@pytest.mark.parametrize("compiled", [True, False], ids=["in C", "in Python"])
def test_an_overrun_makes_the_worker_ordinary(compiled: bool, tmp_path: Path) -> None:
    library = build(tmp_path) if compiled else tmp_path / "missing.so"
    run = subprocess.run([sys.executable, "-c", PROGRAM, library], capture_output=True, text=True, check=True)
    policy, handler = json.loads(run.stdout)
    assert policy == os.SCHED_OTHER | os.SCHED_RESET_ON_FORK
    assert ("lambda" in handler) is not compiled
