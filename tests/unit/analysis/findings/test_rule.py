import pytest

from testbed.analysis.findings.rule import percent, silent, unseen


@pytest.mark.parametrize(("share", "text"), [(0.984, "98 %"), (0.0, "0 %"), (0.034, "3 %"), (0.0004, "0.04 %")])
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


def test_the_two_silences() -> None:
    assert silent("x", "nothing").observable is True
    assert unseen("x", "no capture").observable is False
