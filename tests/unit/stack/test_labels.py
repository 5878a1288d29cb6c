import os
import subprocess
import sys
from dataclasses import replace

import pytest

from testbed.stack.labels import OWNER, Owner, is_dead, labels, parse_owner, start_ticks, this_process

ME = this_process()


def test_an_owner_reads_back() -> None:
    assert parse_owner(str(ME)) == ME
    assert ME.pid == os.getpid()
    assert labels("r", "c", "client", ME)[OWNER] == str(ME)


@pytest.mark.parametrize("text", ["", "a", "a/b", "a/b/1", "a/b/x/2", "a/b/1/2/3", "/b/1/2", "a/b/-1/2"])
def test_what_is_no_owner(text: str) -> None:
    assert parse_owner(text) is None


def test_this_process_lives() -> None:
    assert not is_dead(ME, ME)


def test_a_process_that_has_ended_is_dead() -> None:
    code = "from testbed.stack.labels import this_process; print(this_process())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    other = parse_owner(said)
    assert other is not None
    assert (other.host, other.boot) == (ME.host, ME.boot)
    assert is_dead(other, ME)


def test_a_later_process_with_the_same_id_is_another_one() -> None:
    assert is_dead(replace(ME, start_ticks=ME.start_ticks + 1), ME)


def test_another_boot_of_this_host_is_dead_and_another_host_is_not_ours_to_judge() -> None:
    assert is_dead(replace(ME, boot="other"), ME)
    assert not is_dead(replace(ME, host="other", pid=1 << 30), ME)
    assert not is_dead(replace(ME, host="other", boot="other"), ME)


def test_start_ticks() -> None:
    assert start_ticks(os.getpid()) == ME.start_ticks
    assert start_ticks(1 << 30) is None


def test_owner_text_has_no_room_for_confusion() -> None:
    assert parse_owner(str(Owner("h.1", "b", 7, 9))) == Owner("h.1", "b", 7, 9)
