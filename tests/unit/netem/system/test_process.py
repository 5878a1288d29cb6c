import sys

import pytest

from netem.contract.errors import SidecarError
from netem.system.process import run


def test_status_and_both_outputs() -> None:
    program = "import sys; text = sys.stdin.read(); print(text.upper()); print('oh', file=sys.stderr); sys.exit(3)"
    completed = run([sys.executable, "-c", program], text="hello")
    assert (completed.status, completed.stdout, completed.stderr) == (3, "HELLO\n", "oh\n")


def test_much_output_on_both_sides_does_not_block() -> None:
    program = "import sys; sys.stderr.write('e' * 300000); sys.stdout.write('o' * 300000)"
    completed = run([sys.executable, "-c", program])
    assert (completed.status, len(completed.stdout), len(completed.stderr)) == (0, 300_000, 300_000)


def test_a_missing_program() -> None:
    with pytest.raises(SidecarError, match="start no-such-program"):
        run(["no-such-program"])


def test_a_program_that_does_not_exit_is_killed() -> None:
    with pytest.raises(SidecarError, match="did not exit within"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.05)
