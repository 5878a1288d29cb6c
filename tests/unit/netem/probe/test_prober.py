"""A prober and a responder over the loopback, which delays nothing."""

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from netem.probe.channel import Channel
from netem.probe.prober import Prober
from netem.probe.responder import Responder
from netem.system.reactor import Reactor
from tests.support.probed_peer import config

ANY_DELAY_NS = 10**12
"""With this tolerance only a delay that is too short fails."""


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    made = Reactor()
    yield made
    made.close()


@pytest.fixture
def ports() -> dict[Channel, int]:
    """Return two unused ports."""
    free = {channel: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for channel in Channel}
    for opened in free.values():
        opened.bind(("", 0))
    found = {channel: opened.getsockname()[1] for channel, opened in free.items()}
    for opened in free.values():
        opened.close()
    return found


@pytest.mark.parametrize(("requested", "ok"), [("", True), ("delay 10s", False)])
def test_a_series_over_sockets(reactor: Reactor, ports: dict[Channel, int], requested: str, ok: bool) -> None:
    finished: list[int] = []
    responder = Responder(reactor, str, ANY_DELAY_NS, lambda: finished.append(responder.finished), ports)
    wanted = replace(config(requested, delay_tolerance_ns=ANY_DELAY_NS), peer="127.0.0.1")
    prober = Prober(reactor, wanted, lambda _: reactor.stop(), ports)
    assert prober.status == "127.0.0.1 over ipv4: waiting for its address"
    prober.start()
    assert prober.status == "127.0.0.1 over ipv4 (127.0.0.1): waiting for its sidecar to answer"
    reactor.run()
    responder.close()
    assert [result.ok for result in prober.series.results] == [ok, True]
    assert prober.done
    assert finished == [1]
