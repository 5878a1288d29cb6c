from contextvars import copy_context
from threading import Event, Thread

import pytest

from testbed.errors import HostError
from testbed.stack.cancel import Cancel, CanceledError, active_cancel


def test_an_operation_is_stopped_from_another_thread() -> None:
    cancel, began, stopped = Cancel(), Event(), Event()
    messages: list[str] = []

    def fail() -> None:
        began.set()
        assert stopped.wait(30)
        raise HostError("build: exit code -9")

    def operate() -> None:
        with pytest.raises(CanceledError) as caught, active_cancel().stopping("build", stopped.set):
            fail()
        messages.append(caught.value.message)

    with cancel.active():
        thread = Thread(target=copy_context().run, args=(operate,))
    thread.start()
    assert began.wait(30)
    cancel.set()
    thread.join(30)
    assert messages == ["build: it was stopped"]


def test_an_operation_that_has_ended_is_not_stopped() -> None:
    cancel, stopped = Cancel(), Event()
    with cancel.stopping("build", stopped.set):
        pass
    cancel.set()
    assert not stopped.is_set()
    with pytest.raises(CanceledError, match="build: it was stopped"), cancel.stopping("build", stopped.set):
        pytest.fail("it has begun")
    with pytest.raises(CanceledError):
        cancel.check("boot")


def test_a_failure_of_its_own_stays() -> None:
    with pytest.raises(HostError, match="no network"), Cancel().stopping("build", lambda: None):
        raise HostError("build: no network")


def test_outside_nothing_is_stopped() -> None:
    cancel = Cancel()
    with cancel.active():
        assert active_cancel() is cancel
    assert active_cancel() is not cancel
    active_cancel().check("boot")
