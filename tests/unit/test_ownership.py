import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.ownership import OWNER, Owner, is_dead, labels, parse_owner, start_ticks, this_process

ME = this_process()


def test_an_owner_reads_back() -> None:
    assert parse_owner(str(ME)) == ME
    assert ME.pid == os.getpid()
    assert labels("r", "c", "client", ME)[OWNER] == str(ME)


@pytest.mark.parametrize("text", ["", "a", "a/b", "a/b/1", "a/b/x/2", "a/b/1/2/3", "/b/1/2", "a/b/-1/2"])
def test_other_text_is_no_owner(text: str) -> None:
    assert parse_owner(text) is None


def test_this_process_runs() -> None:
    assert not is_dead(ME, ME)


def test_a_process_that_has_ended_is_dead() -> None:
    code = "from testbed.ownership import this_process; print(this_process())"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    other = parse_owner(output)
    assert other is not None
    assert (other.host, other.boot) == (ME.host, ME.boot)
    assert is_dead(other, ME)


def test_a_later_process_with_the_same_id_is_another_one() -> None:
    assert is_dead(replace(ME, start_ticks=ME.start_ticks + 1), ME)


def test_another_boot_is_dead_and_another_host_is_unknown() -> None:
    assert is_dead(replace(ME, boot="other"), ME)
    assert not is_dead(replace(ME, host="other", pid=1 << 30), ME)
    assert not is_dead(replace(ME, host="other", boot="other"), ME)


def test_a_process_is_known_by_its_start_time() -> None:
    assert start_ticks(os.getpid()) == ME.start_ticks != start_ticks(1)
    assert start_ticks(1 << 30) is None


def test_a_command_name_with_parentheses_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    fields = " ".join(["S", *(str(number) for number in range(4, 23))])
    (tmp_path / "7" / "stat").write_text(f"7 (a) b (c)) {fields}\n")
    assert start_ticks(7, tmp_path) == 22


def test_a_zombie_is_dead() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        ticks = start_ticks(child.pid)
        assert ticks is not None
        owner = replace(ME, pid=child.pid, start_ticks=ticks)
        assert not is_dead(owner, ME)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is not reaped yet
        assert "Z" in Path(f"/proc/{child.pid}/stat").read_text()
        assert is_dead(owner, ME)


def test_the_text_of_an_owner_is_unambiguous() -> None:
    assert parse_owner(str(Owner("h.1", "b", 7, 9))) == Owner("h.1", "b", 7, 9)
