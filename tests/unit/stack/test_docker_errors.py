"""Errors of docker-py and requests become errors of the testbed."""

import pytest
from docker.errors import APIError
from requests.exceptions import ConnectionError, ReadTimeout  # noqa: A004 - not the builtin one

from testbed.errors import EngineLostError, HostError
from testbed.stack.docker_errors import docker_attempt, explanation, lost_connection, system_error


def test_asystem_error_is_found_below_its_wrappings() -> None:
    inner = PermissionError(13, "Permission denied")
    assert system_error(ConnectionError(("aborted", inner))) is None
    assert system_error(RuntimeError("x", ConnectionError("aborted", inner))) is inner
    assert explanation(RuntimeError("odd.")) == "odd"


def test_an_html_page_is_truncated_to_its_first_line() -> None:
    assert explanation(RuntimeError("404 for url (<html>\n<body>\n</html>)")) == "404 for url (<html>"
    assert explanation(RuntimeError()) == "RuntimeError"


def test_a_lost_engine_has_an_error_of_its_own() -> None:
    message = r"^start x: the Docker engine is no longer reachable: Permission denied$"
    with pytest.raises(EngineLostError, match=message), lost_connection("start x"):
        raise ConnectionError("aborted", PermissionError(13, "Permission denied"))
    with pytest.raises(EngineLostError, match="it closed the connection"), lost_connection("start x"):
        raise ConnectionError(("Connection aborted.", "Remote end closed connection without response"))
    with pytest.raises(ReadTimeout), lost_connection("start x"):
        raise ReadTimeout


def test_the_attempt_is_named_with_the_message_of_docker() -> None:
    with pytest.raises(HostError) as caught, docker_attempt("start x", "try again"):
        raise APIError("500", explanation="no space left on device.")
    assert (caught.value.message, caught.value.hint) == ("start x: no space left on device", "try again")
