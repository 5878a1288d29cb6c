from testbed.analysis.findings.context import explain
from testbed.result import Finding, Silence
from tests.support.transfers import seen_in, slow_reader


def test_the_context_is_told() -> None:
    found = explain(slow_reader().observe(host={"kernel": "6.18.0"}, engines=("user",)))
    assert isinstance(found, Finding)
    assert found.sentence == ("Linux 6.18.0, congestion control cubic, impairments by the user engine.")
    assert found.numbers["missing_fields"] == 0


def test_what_the_kernel_does_not_tell() -> None:
    observation = slow_reader().observe(host={"kernel": "5.15.0"}, engines=("none",))
    assert observation.sender.samples is not None
    observation.sender.samples._numbers["total_rto"] = observation.sender.samples.column("no_such_field")
    found = explain(observation)
    assert isinstance(found, Finding)
    assert "this kernel tells no total_rto" in found.sentence
    assert found.not_observed == ["total_rto"]


def test_silent_when_nothing_is_known() -> None:
    found = explain(seen_in(slow_reader().segments))
    assert isinstance(found, Silence)
    assert not found.observable
