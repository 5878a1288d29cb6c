"""A prober and a responder over the loopback, which delays nothing."""

from collections.abc import Callable, Iterator

import pytest

from netem.probe import prober as probing
from netem.probe import responder as answering
from netem.probe.prober import Prober
from netem.probe.responder import Responder
from netem.spec import parse
from netem.system.reactor import Reactor

ANY_NS = 10**12
"""So late may everything be that only what is too early is wrong."""


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    made = Reactor()
    yield made
    made.close()


def probe(
    reactor: Reactor, monkeypatch: pytest.MonkeyPatch, requested: str, describe: Callable[[], str]
) -> tuple[Prober, Responder, list[int]]:
    """Probe until the prober is done; return also how many had finished whenever the responder was told of one."""
    for name in ("PROBE_PORT", "CONTROL_PORT"):
        monkeypatch.setattr(answering, name, 0)
    told: list[int] = []
    responder = Responder(reactor, describe, lambda: told.append(responder.finished))
    for name, opened in zip(("PROBE_PORT", "CONTROL_PORT"), responder._sockets, strict=False):
        monkeypatch.setattr(probing, name, opened.getsockname()[1])
    prober = Prober(
        reactor,
        "127.0.0.1",
        "ipv4",
        impairment=parse(requested),
        probes=5,
        late_tolerance_ns=ANY_NS,
        on_done=lambda _: reactor.stop(),
    )
    prober.start()
    reactor.run()
    responder.close()
    return prober, responder, told


def test_both_directions_are_judged_and_the_peer_hears_the_end(
    reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    prober, responder, told = probe(reactor, monkeypatch, "", lambda: "")
    assert prober.ok, prober.results
    assert [result["direction"] for result in prober.results] == ["egress", "ingress"]
    assert len(prober.round_trips_ns) == 5
    assert (prober.done, responder.finished, told) == (True, 1, [1])


def test_a_link_that_does_not_delay_is_found_out(reactor: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    prober, responder, _ = probe(reactor, monkeypatch, "delay 10s", lambda: "")
    egress, ingress = prober.results
    assert not egress["ok"]
    assert "too early" in egress["sentence"]
    assert ingress["ok"]
    assert responder.finished == 1


def test_a_round_that_fails_is_repeated(reactor: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter(["delay 10s"])
    prober, _, _ = probe(reactor, monkeypatch, "", lambda: next(said, ""))
    assert prober.ok, prober.results
