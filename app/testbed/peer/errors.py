"""The errors that end a program or a connection; each message names the attempt and the reason in one line."""

from testbed.peer.contract import FAILED, UNSUPPORTED


class PeerError(Exception):
    """The base of the errors of the programs; `exit_code` is the exit code of the program."""

    exit_code = FAILED


class UsageError(PeerError):
    """The command line or the environment is invalid."""


class UnsupportedError(PeerError):
    """A role, family or mode that this program does not support."""

    exit_code = UNSUPPORTED


class SystemCallError(PeerError):
    """A system call failed: `attempt` names what was attempted, `reason` is the text of the errno."""

    def __init__(self, attempt: str, error: OSError) -> None:
        self.attempt = attempt
        self.reason = error.strerror or str(error)
        super().__init__(f"{attempt}: {self.reason}")
