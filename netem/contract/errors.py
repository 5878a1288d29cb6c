"""The one error family of the sidecar's shell: what was attempted, what happened, what to do about it."""

from netem.spec import SpecError


class SidecarError(Exception):
    """Say which attempt failed (`open /dev/net/tun`), with what message, and the remedy (empty when there is none)."""

    def __init__(self, attempt: str, message: str, remedy: str = "") -> None:
        self.attempt = attempt
        self.message = message
        self.remedy = remedy
        super().__init__(attempt, message, remedy)

    def __str__(self) -> str:
        text = f"{self.attempt}: {self.message}"
        return f"{text}; {self.remedy}" if self.remedy else text

    def facts(self) -> dict[str, str]:
        """Return the keys of an `error` event."""
        return {"attempt": self.attempt, "message": self.message, "remedy": self.remedy}


def from_os_error(attempt: str, error: OSError, remedy: str = "") -> SidecarError:
    """Name the attempt that an OSError belongs to."""
    return SidecarError(attempt, error.strerror or str(error), remedy)


def from_spec_error(attempt: str, error: SpecError) -> SidecarError:
    """Name the attempt that a refused text belongs to."""
    message = str(error)
    return SidecarError(attempt, message.removesuffix(f"; {error.remedy}") if error.remedy else message, error.remedy)
