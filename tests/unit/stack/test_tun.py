import pytest

from testbed.errors import HostError
from testbed.ownership import Owner, ResourceLabels
from testbed.stack.tun import TUN, has_tun
from tests.support.fake_engine import FakeEngine

LABELS = ResourceLabels("r", "c", Owner("host.1", "boot", 1, 2))


def test_a_container_with_the_device_starts() -> None:
    engine = FakeEngine()
    assert has_tun(engine, LABELS, "netem:1")
    assert engine.running("tun").spec.devices == (TUN,)
    assert engine.resources == {}


def test_the_engine_has_no_such_device() -> None:
    engine = FakeEngine(tun=False)
    assert not has_tun(engine, LABELS, "netem:1")
    assert engine.resources == {}


def test_another_error_is_raised() -> None:
    engine = FakeEngine()
    engine.fail_on["start tun"] = HostError("start x: no space left on device")
    with pytest.raises(HostError, match="no space left"):
        has_tun(engine, LABELS, "netem:1")
    assert engine.resources == {}
