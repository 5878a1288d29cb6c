"""Wait for a container engine that has been lost, for example because it restarts."""

import threading
from typing import Final

from testbed.errors import HostError
from testbed.run.stop import Stop
from testbed.stack.ports import Resources

RESTART_S: Final = 90.0
"""A Docker engine with many containers restarts in 10 to 30 s; systemd gives it 90 s."""


class Reconnection:
    """Whether the engine was lost, and the wait for its return; for many threads, of which one waits for all."""

    def __init__(self, engine: Resources, label: str, most_s: float = RESTART_S) -> None:
        """`label` is one that few resources have: the engine is called to list them."""
        self._engine = engine
        self._label = label
        self._most_s = most_s
        self._lock = threading.Lock()
        self._lost = False

    def lost(self) -> None:
        """Note that the engine was not reachable."""
        self._lost = True

    def wait(self, stop: Stop) -> None:
        """Wait until a lost engine is reachable again, or `stop` is set.

        Raises HostError; only the first call after a loss waits for long.
        """
        if not self._lost:
            return
        with self._lock:
            if self._lost:
                self._retry(stop)

    def _retry(self, stop: Stop) -> None:
        # Slow to import: with the extra for Dask it imports Tornado.
        from tenacity import (  # noqa: PLC0415
            Retrying,
            retry_if_exception_type,
            stop_after_delay,
            stop_when_event_set,
            wait_exponential,
        )
        from tenacity.nap import sleep_using_event  # noqa: PLC0415

        ending = threading.Event()
        end_subscription = stop.subscribe(ending.set)
        most_s, self._most_s = self._most_s, 0.0
        try:
            for attempt in Retrying(
                retry=retry_if_exception_type(HostError),
                stop=stop_after_delay(most_s) | stop_when_event_set(ending),
                wait=wait_exponential(0.1, max=2.0),
                sleep=sleep_using_event(ending),
                reraise=True,
            ):
                with attempt:
                    self._engine.find(self._label)
        finally:
            end_subscription()
        self._lost, self._most_s = False, most_s or RESTART_S
