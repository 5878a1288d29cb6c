from typing import Any

import pytest

from netem.contract.errors import SidecarError
from netem.contract.events import EventStream
from netem.sidecar.teardown import Errors, Teardown


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def errors(lines: list[str]) -> Errors:
    return Errors(EventStream(lines.append, lambda: 1, lambda: 2))


def raising(error: Exception) -> Any:
    def step() -> None:
        raise error

    return step


def test_the_newest_step_runs_first(errors: Errors) -> None:
    ran: list[int] = []
    with Teardown(errors) as teardown:
        for number in (1, 2, 3):
            teardown.add(lambda number=number: ran.append(number))  # type: ignore[misc]
        assert not ran
    assert ran == [3, 2, 1]
    assert not errors.failed


def test_a_failing_step_is_reported_and_the_others_run(errors: Errors, lines: list[str]) -> None:
    ran: list[str] = []
    with Teardown(errors) as teardown:
        teardown.add(lambda: ran.append("oldest"))
        teardown.add(raising(SidecarError("close it", "no", "again")))
        teardown.add(raising(OSError(5, "worn out")))
        teardown.add(lambda: ran.append("newest"))
    assert ran == ["newest", "oldest"]
    assert errors.failed
    (line,) = lines
    assert '"attempt":"stop","message":"worn out"' in line


def test_after_an_error_no_step_is_reported(errors: Errors, lines: list[str]) -> None:
    errors.report(SidecarError("start it", "no"))
    with Teardown(errors) as teardown:
        teardown.add(raising(SidecarError("close it", "no")))
    (line,) = lines
    assert '"attempt":"start it"' in line


def test_the_steps_run_when_the_block_raises(errors: Errors) -> None:
    ran: list[str] = []

    def work() -> None:
        with Teardown(errors) as teardown:
            teardown.add(lambda: ran.append("undone"))
            raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        work()
    assert ran == ["undone"]
