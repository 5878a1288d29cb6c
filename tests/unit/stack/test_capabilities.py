import pytest

from testbed.errors import CapabilityError, HostError
from testbed.stack.capabilities import REFUSED_HINT, capability_attempt, sidecar_capabilities

REFUSED = "the container engine refuses the capability SYS_NICE: "
OLD_ENGINE = (
    "start x: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container "
    "process: unable to apply caps: operation not permitted: unknown"
)
NEW_ENGINE = (
    "create container x of image y: invalid CapAdd: capability not supported by your kernel or not available in the "
    'current environment: "CAP_SYS_NICE"'
)
PLUG_IN = "create container x of image y: authorization denied by plugin policy: not allowed"


def test_only_real_time_adds_a_capability() -> None:
    assert sidecar_capabilities(real_time=False) == ("NET_ADMIN", "NET_RAW")
    assert sidecar_capabilities(real_time=True) == ("NET_ADMIN", "NET_RAW", "SYS_NICE")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (OLD_ENGINE, "unable to apply caps: operation not permitted"),
        (NEW_ENGINE, NEW_ENGINE.partition("of image y: ")[2]),
        (PLUG_IN, "authorization denied by plugin policy: not allowed"),
        ("create x: SYS_NICE is not permitted here", "create x: SYS_NICE is not permitted here"),
    ],
)
def test_a_refusal_is_recognised_where_it_was_requested(message: str, reason: str) -> None:
    with pytest.raises(CapabilityError) as caught, capability_attempt(real_time=True):
        raise HostError(message)
    assert (caught.value.message, caught.value.hint) == (REFUSED + reason, REFUSED_HINT)


@pytest.mark.parametrize(
    ("message", "real_time"),
    [(OLD_ENGINE, False), ("create container x of image y: No such image: y", True)],
)
def test_other_errors_stay(message: str, real_time: bool) -> None:
    with pytest.raises(HostError) as caught, capability_attempt(real_time=real_time):
        raise HostError(message, hint="h")
    assert type(caught.value) is HostError
    assert caught.value.hint == "h"
