"""The capabilities of a sidecar, and whether a container engine refuses the one for real time."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from testbed.errors import CapabilityError, HostError

LINK: Final = ("NET_ADMIN", "NET_RAW")
"""What a sidecar needs for its devices and its captures."""

REAL_TIME: Final = "SYS_NICE"
"""What lets a sidecar run the path of the frames under a real-time policy."""

REFUSED_HINT: Final = "allow containers this capability; without it (--realtime auto) a link is late on a busy machine"

# Docker from 23 on refuses at the creation, earlier ones at the start; plug-ins and other engines have their own words.
_REASON: Final = re.compile(r"invalid CapAdd.*|unable to apply caps: [\w ]+|authorization denied.*")
_REFUSED: Final = re.compile(rf"{_REASON.pattern}|capabilit|{REAL_TIME}", re.IGNORECASE)


def sidecar_capabilities(*, real_time: bool) -> tuple[str, ...]:
    """Return the capabilities of a sidecar that is to run in real time, or ordinary."""
    return (*LINK, REAL_TIME) if real_time else LINK


@contextmanager
def capability_attempt(*, real_time: bool) -> Iterator[None]:
    """Raise a refusal of the real-time capability as CapabilityError, if it was requested."""
    try:
        yield
    except HostError as error:
        if not real_time or not _REFUSED.search(error.message):
            raise
        reason = _REASON.search(error.message)
        message = f"the container engine refuses the capability {REAL_TIME}: {reason[0] if reason else error.message}"
        raise CapabilityError(message, hint=REFUSED_HINT) from error
