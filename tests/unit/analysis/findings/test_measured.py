from testbed.analysis.findings.measured import not_applicable, unobservable


def test_the_two_reasons_for_no_fact() -> None:
    assert not_applicable("nothing").observable is True
    assert unobservable("no capture").observable is False
