"""The one error family of the sidecar's shell: what was attempted, what happened, what to do about it."""

from netem.spec import SpecError


class SidecarError(Exception):
    """Say which attempt failed (`open /dev/net/tun`), with what message, and the hint (empty when there is none)."""

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
    """Name the attempt that an OSError belongs to."""
    return SidecarError(attempt, error.strerror or str(error), hint)


def from_spec_error(attempt: str, error: SpecError) -> SidecarError:
    """Name the attempt that a refused text belongs to."""
    message = str(error)
    return SidecarError(attempt, message.removesuffix(f"; {error.hint}") if error.hint else message, error.hint)
