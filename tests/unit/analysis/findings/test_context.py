from testbed.analysis.findings.context import Context, measure
from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.join.samples import ABSENT
from tests.support.samples import with_columns
from tests.support.transfers import captures_of, slow_reader


def test_the_context_is_reported() -> None:
    found = measure(slow_reader().observe(host={"kernel": "6.18.0"}, engines=("user",)))
    assert isinstance(found, Measured)
    assert found.fact == Context(kernel="6.18.0", congestion="cubic", engines=("user",), missing_fields=())


def test_what_the_kernel_does_not_report() -> None:
    observation = slow_reader().observe(host={"kernel": "5.15.0"}, engines=("none",))
    found = measure(with_columns(observation, total_rto=ABSENT))
    assert isinstance(found, Measured)
    assert found.fact.missing_fields == ("total_rto",)
    assert found.fact.engines == ()
    assert list(found.not_observed) == ["total_rto"]


def test_not_applicable_when_nothing_is_known() -> None:
    found = measure(captures_of(slow_reader().segments))
    assert isinstance(found, NotMeasured)
    assert not found.observable
