import os
import signal

import pytest

from testbed.cli.interrupts import one_interrupt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_raises_and_later_ones_report_the_clean_up(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    cleaned = False
    with pytest.raises(KeyboardInterrupt), one_interrupt():  # noqa: PT012 - the clean-up is the point
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), signal.SIGINT)
            cleaned = True
    assert cleaned
    assert capsys.readouterr().err.count("still cleaning up") == 2
    assert signal.getsignal(number) is before
