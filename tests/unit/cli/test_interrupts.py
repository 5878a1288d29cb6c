import os
import signal

import pytest

from testbed.cli.interrupts import FIRST, SECOND, interrupts
from testbed.run.stop import Stop

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_ends_in_order_and_then_at_once(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(number)
    stop, exits = Stop(), []
    with interrupts(stop, lambda: exits.append(130)), stop.listening():
        os.kill(os.getpid(), number)
        assert (stop.in_order, stop.at_once, exits) == (True, False, [])
        os.kill(os.getpid(), signal.SIGINT)
        assert (stop.at_once, exits) == (True, [130])
    shown = capfd.readouterr().err.splitlines()
    assert [line.partition(";")[0] for line in shown] == [
        "testbed: running cells end in order",
        "testbed: ended at once",
    ]
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", SIGNALS)
def test_without_a_run_the_first_one_raises(number: signal.Signals) -> None:
    exits: list[int] = []
    with pytest.raises(KeyboardInterrupt), interrupts(Stop(), lambda: exits.append(130)):
        os.kill(os.getpid(), number)
    assert exits == []


def test_a_picture_shows_the_first_one_and_not_the_second(capfd: pytest.CaptureFixture[str]) -> None:
    stop, shown = Stop(), list[str]()

    def announce(line: str) -> bool:
        shown.append(line)
        return True

    with interrupts(stop, lambda: None, announce), stop.listening():
        os.kill(os.getpid(), signal.SIGINT)
        assert capfd.readouterr().err == ""
        os.kill(os.getpid(), signal.SIGINT)
    assert shown == [FIRST]
    assert capfd.readouterr().err == f"{SECOND}\n"
