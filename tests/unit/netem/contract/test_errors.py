import errno

import pytest

from netem.contract.errors import SidecarError, from_os_error, from_spec_error
from netem.spec import SpecError, parse


def test_text_and_facts() -> None:
    error = SidecarError("open it", "no", "buy a key")
    assert str(error) == "open it: no; buy a key"
    assert error.facts() == {"attempt": "open it", "message": "no", "hint": "buy a key"}
    assert str(SidecarError("open it", "no")) == "open it: no"


def test_an_os_error_gets_its_attempt() -> None:
    error = from_os_error("open /dev/net/tun", OSError(errno.ENOENT, "No such file or directory"), "modprobe tun")
    assert str(error) == "open /dev/net/tun: No such file or directory; modprobe tun"


def test_a_spec_error_keeps_its_hint_apart() -> None:
    with pytest.raises(SpecError) as caught:
        parse("delay -5ms")
    error = from_spec_error("read the impairment", caught.value)
    assert error.attempt == "read the impairment"
    assert "-5ms" in error.message
    assert error.hint
    assert error.hint not in error.message
