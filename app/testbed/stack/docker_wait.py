"""Wait for the exit of a container by a request that is made before the container starts."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from docker import APIClient

if TYPE_CHECKING:
    from requests import Response


def wait_for_next_exit(client: APIClient, container: str) -> Callable[[], None]:
    """Send the request; return what waits for the body of the answer, which the engine sends when the container exits.

    `APIClient.wait` returns with the body only. Both raise what docker-py and requests raise.
    """
    session: Any = client  # its private methods have no types
    url = session._url("/containers/{0}/wait", container)  # noqa: SLF001
    answer: Response = session._post(url, params={"condition": "next-exit"}, stream=True, timeout=None)  # noqa: SLF001
    session._raise_for_status(answer)  # noqa: SLF001

    def wait() -> None:
        with answer:
            answer.json()

    return wait
