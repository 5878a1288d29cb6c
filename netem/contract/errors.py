"""The error of the sidecar: attempt, message and hint."""

from netem.spec import SpecError


class SidecarError(Exception):
    """Name the failed attempt (`open /dev/net/tun`), the message, and a hint, which may be empty."""

    def __init__(self, attempt: str, message: str, hint: str = "") -> None:
        self.attempt = attempt
        self.message = message
        self.hint = hint
        super().__init__(attempt, message, hint)

    def __str__(self) -> str:
        text = f"{self.attempt}: {self.message}"
        return f"{text}; {self.hint}" if self.hint else text

    def facts(self) -> dict[str, str]:
        """Return the keys of an `error` event."""
        return {"attempt": self.attempt, "message": self.message, "hint": self.hint}


def from_os_error(attempt: str, error: OSError, hint: str = "") -> SidecarError:
    """Convert an OSError of `attempt`."""
    return SidecarError(attempt, error.strerror or str(error), hint)


def from_spec_error(attempt: str, error: SpecError) -> SidecarError:
    """Convert a SpecError of `attempt`; its hint stays apart from the message."""
    message = str(error)
    return SidecarError(attempt, message.removesuffix(f"; {error.hint}") if error.hint else message, error.hint)
