"""Each test runs in a process of its own: capabilities and policies cannot be given back."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netem.system.scheduling import SHARES, Scheduling, Share, largest_share

HEADER = """
import json, os, signal
from netem.system import capabilities
from netem.system.scheduling import become_ordinary, guard_in_python, obtain
"""
HELD = "json.dumps(capabilities.holds(capabilities.SYS_NICE))"


def outcome(program: str) -> Any:
    """Return what a program prints as JSON."""
    run = subprocess.run([sys.executable, "-c", HEADER + program], capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def test_without_the_capability_the_process_stays_ordinary() -> None:
    program = """
capabilities.drop(capabilities.SYS_NICE)
found = obtain("auto", guard_in_python)
print(json.dumps([str(found), found.realtime, os.sched_getscheduler(0)]))
"""
    assert outcome(program) == ["ordinary: the container has no CAP_SYS_NICE", False, os.SCHED_OTHER]


@pytest.mark.parametrize("choice", ["auto", "off", "require"])
def test_the_capability_is_dropped_in_any_case(choice: str) -> None:
    assert outcome(f"obtain({choice!r}, guard_in_python); print({HELD})") is False


def test_a_user_namespace_is_named(tmp_path: Path) -> None:
    """As in rootless Docker: there is a capability, but it is worth nothing."""
    mapped = tmp_path / "uid_map"
    mapped.write_text("         0       1000          1\n")
    program = f"""
from pathlib import Path
from netem.system import scheduling
scheduling.UID_MAP = Path({str(mapped)!r})
print(json.dumps(str(obtain("auto", guard_in_python))))
"""
    assert outcome(program) == "ordinary: CAP_SYS_NICE has no effect in a user namespace (rootless)"


def test_switched_off_by_the_setting() -> None:
    program = "found = obtain('off', guard_in_python); print(json.dumps([str(found), found.realtime]))"
    assert outcome(program) == ["ordinary: switched off", False]


def test_a_program_starts_without_the_capability_and_its_parent_keeps_it() -> None:
    program = """
before = capabilities.holds(capabilities.SYS_NICE)
there = capabilities.run_without(capabilities.SYS_NICE, lambda: capabilities.holds(capabilities.SYS_NICE))
print(json.dumps([there, before == capabilities.holds(capabilities.SYS_NICE)]))
"""
    assert outcome(program) == [False, True]


def test_an_error_of_a_start_without_the_capability_is_raised() -> None:
    program = """
try:
    capabilities.run_without(capabilities.SYS_NICE, lambda: os.posix_spawnp("no-such-program", ["x"], {}))
except FileNotFoundError:
    print(json.dumps("raised"))
"""
    assert outcome(program) == "raised"


def test_sigxcpu_makes_the_process_ordinary() -> None:
    """SCHED_BATCH stands for a policy that a process may leave; it needs no capability."""
    program = """
guard_in_python()
os.sched_setscheduler(0, os.SCHED_BATCH | os.SCHED_RESET_ON_FORK, os.sched_param(0))
capabilities.drop(capabilities.SYS_NICE)
before = os.sched_getscheduler(0)
signal.raise_signal(signal.SIGXCPU)
print(json.dumps([before, os.sched_getscheduler(0)]))
"""
    reset = os.SCHED_RESET_ON_FORK
    assert outcome(program) == [os.SCHED_BATCH | reset, os.SCHED_OTHER | reset]


def test_a_policy_that_was_lost_is_reported() -> None:
    """This process is an ordinary one."""
    lost = Scheduling("fifo 10")
    assert str(lost) == "ordinary: 200 ms without a pause under fifo 10"
    assert lost.realtime


class Processors:
    """Admit tasks as the kernel does: 95 % of each processor. Shares are counted in millionths of a processor."""

    def __init__(self, count: int) -> None:
        self.free = count * 950_000

    def admit(self) -> Share:
        """Let one more task reserve what it can."""
        held = 0

        def reserve(runtime_ns: int, period_ns: int) -> None:
            nonlocal held
            wanted = 1_000_000 * runtime_ns // period_ns
            if wanted - held > self.free:
                raise OSError(errno.EBUSY, "no room")
            self.free -= wanted - held
            held = wanted

        return largest_share(reserve)


@pytest.mark.parametrize(("processors", "large", "medium", "small"), [(1, 1, 10, 14), (2, 11, 9, 14), (8, 68, 9, 14)])
def test_the_first_tasks_get_the_largest_share_and_many_get_one(
    processors: int, large: int, medium: int, small: int
) -> None:
    machine = Processors(processors)
    given = [machine.admit() for _ in range(large + medium + small)]
    assert given == [share for share, count in zip(SHARES, (large, medium, small), strict=True) for _ in range(count)]
    with pytest.raises(OSError, match="no room"):
        machine.admit()


def test_a_refusal_is_not_tried_again() -> None:
    tried: list[int] = []

    def reserve(runtime_ns: int, _period_ns: int) -> None:
        tried.append(runtime_ns)
        raise PermissionError(errno.EPERM, "not allowed")

    with pytest.raises(PermissionError):
        largest_share(reserve)
    assert len(tried) == 1


def test_what_is_reported_of_a_share() -> None:
    assert [share.text for share in SHARES] == ["0.2 ms of 2 ms", "1 ms of 20 ms", "0.5 ms of 20 ms"]
