"""Convert errors of docker-py, of requests and of sockets to errors of the testbed.

Each error names the attempt; a lost engine has an error of its own.
"""

import contextlib
from collections.abc import Iterator

from docker.errors import DockerException
from requests.exceptions import (
    ChunkedEncodingError,
    ConnectionError,  # noqa: A004 - not the builtin one
    RequestException,
)

from testbed.errors import EngineLostError, HostError

_MAX_DEPTH = 8


def explanation(error: BaseException) -> str:
    """Return the engine's own message, or the system's when the engine did not answer."""
    message = getattr(error, "explanation", None)
    if message:
        return str(message).strip().rstrip(".")
    system = system_error(error)
    if system and system.strerror:
        return system.strerror
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")  # not a page of HTML


def system_error(error: object, depth: int = _MAX_DEPTH) -> OSError | None:
    """Return the system's error below the others that wrap it."""
    # requests and urllib3 wrap errors in each other's arguments, and some of them are OSErrors without a number.
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return error
    if not isinstance(error, BaseException) or depth == 0:
        return None
    inner = (*error.args, error.__cause__, error.__context__)
    return next((found for each in inner if (found := system_error(each, depth - 1))), None)


@contextlib.contextmanager
def docker_attempt(what: str, hint: str = "") -> Iterator[None]:
    """Name the attempt in any error of Docker, of HTTP or of the system; raises HostError."""
    try:
        yield
    except (DockerException, RequestException, OSError) as error:
        raise HostError(f"{what}: {explanation(error)}", hint=hint) from error


@contextlib.contextmanager
def lost_connection(what: str) -> Iterator[None]:
    """Report a lost connection to the engine, as opposed to an error of the request; raises EngineLostError."""
    try:
        yield
    except (ConnectionError, ChunkedEncodingError) as error:
        system = system_error(error)
        reason = system.strerror if system and system.strerror else "it closed the connection"
        hint = "start Docker again; `testbed clean` then removes the leftovers"
        raise EngineLostError(f"{what}: the Docker engine is no longer reachable: {reason}", hint=hint) from error
