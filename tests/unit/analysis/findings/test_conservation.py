from dataclasses import replace

from testbed.analysis.findings.conservation import BytesConserved, BytesMissing, measure
from testbed.analysis.findings.measured import Measured, NotMeasured
from tests.support.transfers import fast_reader, slow_reader


def test_the_instruments_agree() -> None:
    found = measure(slow_reader().observe())
    assert isinstance(found, Measured)
    assert isinstance(found.fact, BytesConserved)
    assert int(found.fact.stalled_states) >= 5
    assert found.strength == 0.1


def test_a_gap_of_the_instruments_is_reported() -> None:
    transfer = slow_reader()
    del transfer.logs["server"][0]
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert isinstance(found.fact, BytesMissing)
    assert found.fact.gap_min_bytes == -8192
    assert found.strength == 0.9


def test_not_applicable_when_nothing_stood_still() -> None:
    found = measure(fast_reader().observe())
    assert isinstance(found, NotMeasured)
    assert found.observable


def test_without_samples_it_is_unobservable() -> None:
    observation = slow_reader().observe()
    for changed in (
        replace(observation, sender=replace(observation.sender, samples=None)),
        replace(observation, receiver=replace(observation.receiver, samples=None)),
    ):
        found = measure(changed)
        assert isinstance(found, NotMeasured)
        assert not found.observable
