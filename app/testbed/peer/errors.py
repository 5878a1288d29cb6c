"""The errors that end a program or a connection; each says in one line what was attempted and what came of it."""

from testbed.peer.contract import FAILED, UNSUPPORTED


class PeerError(Exception):
    """The base of the errors of the programs; `exit_status` is what the program ends with."""

    exit_status = FAILED


class UsageError(PeerError):
    """The command line or the environment asks for what cannot be."""


class UnsupportedError(PeerError):
    """A role, family or mode that this program does not have."""

    exit_status = UNSUPPORTED


class SystemCallError(PeerError):
    """The system refused: `attempt` names what was tried, `reason` is the system's word."""

    def __init__(self, attempt: str, error: OSError) -> None:
        self.attempt = attempt
        self.reason = error.strerror or str(error)
        super().__init__(f"{attempt}: {self.reason}")
