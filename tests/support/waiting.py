"""Wait for a condition outside the test, with a deadline."""

import operator
from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

PAUSE_S = 0.02

T = TypeVar("T")


def wait_until(
    poll: Callable[[], T], timeout_s: float, failure: Callable[[], object] = str, *, pause_s: float = PAUSE_S
) -> T:
    """Return the first true result of `poll`; fail with the text of `failure()` after `timeout_s`."""

    def fail(_state: object) -> T:
        raise AssertionError(f"not within {timeout_s:g} s: {failure()}")

    return Retrying(
        stop=stop_after_delay(timeout_s),
        wait=wait_fixed(pause_s),
        retry=retry_if_result(operator.not_),
        retry_error_callback=fail,
    )(poll)
