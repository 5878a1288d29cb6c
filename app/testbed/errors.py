"""The errors that the testbed raises; only the command line maps them to exit codes.

Every error is one sentence: what was attempted and what happened; `hint` says what to do about it.
"""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class TestbedError(Exception):
    """The base of the testbed's errors; `hint` is a sentence, or empty."""

    __test__ = False  # its name looks like a test class to pytest

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(TestbedError):
    """Report invalid input: a value, a file, a combination; `problems` has one line for each."""

    def __init__(self, problems: Sequence[str], *, hint: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems), hint=hint)


class HostError(TestbedError):
    """Report an error of the environment: Docker, image, network or sidecar."""


@contextmanager
def file_attempt(what: str) -> Iterator[None]:
    """Name the attempt in an error of the file system below a run folder; raises HostError."""
    try:
        yield
    except OSError as error:
        hint = "choose another folder with --output"
        message = f"{what}: {error.strerror or error}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(message, hint=f"free some space there, or {hint}") from error
        raise HostError(message, hint=hint) from error


class DiskFullError(HostError):
    """Report that a file could not be written because the disk is full: no further cell can leave its files either."""


class EngineLostError(HostError):
    """Report that the Docker engine, which was reachable before, is so no longer."""


class CapabilityError(HostError):
    """Report that the container engine refuses the capability for real time; without it, the same may work."""


class ContractError(HostError):
    """Report that an image does not follow the endpoint contract."""


class DeadlineError(TestbedError):
    """Report an event that did not happen before its deadline; `waited_for` names it, `seconds` is the timeout."""

    def __init__(self, waited_for: str, seconds: float, *, state: str = "", hint: str = "") -> None:
        self.waited_for = waited_for
        self.seconds = seconds
        tail = f"; {state}" if state else ""
        super().__init__(f"waited {seconds:g} s for {waited_for}{tail}", hint=hint)


class EndpointError(TestbedError):
    """Report that a program under test exited too early or with an error; facts are attributes."""

    def __init__(self, role: str, exit_code: int, *, oom_killed: bool = False, tail: Sequence[str] = ()) -> None:
        self.role = role
        self.exit_code = exit_code
        self.oom_killed = oom_killed
        self.tail = tuple(tail)
        how = "was OOM-killed" if oom_killed else f"exited with code {exit_code}"
        lines = "".join(f"\n  {line}" for line in self.tail) or " (it printed nothing)"
        super().__init__(f"the {role} {how}; its last lines:{lines}" if self.tail else f"the {role} {how}{lines}")
