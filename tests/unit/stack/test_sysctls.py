import pytest

from testbed.stack.sysctls import refused_sysctl

SHIM = "start x: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container "
SHIM += "process: error during container init: {said}: unknown"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "open /proc/sys/net/ipv4/tcp_nosuch: no such file or directory",
            "set net.ipv4.tcp_nosuch: this kernel has no such setting per network namespace",
        ),
        ("open /proc/sys/net/core/rmem_max: permission denied", "set net.core.rmem_max: it belongs to the host"),
        ("write /proc/sys/net/ipv4/tcp_sack: invalid argument", "set net.ipv4.tcp_sack: the kernel does not take"),
        (
            "write /proc/sys/net/ipv4/tcp_sack: no such file or directory",
            "set net.ipv4.tcp_sack: this kernel has nothing",
        ),
        ("write /proc/sys/net/ipv4/tcp_sack: input/output error", "set net.ipv4.tcp_sack: input"),
    ],
)
def test_what_runc_says_is_translated(said: str, message: str) -> None:
    error = refused_sysctl(SHIM.format(said=said))
    assert error is not None
    assert error.message.startswith(message)
    assert error.hint.startswith("`sysctl -a")


def test_the_congestion_control_has_another_way() -> None:
    said = "write /proc/sys/net/ipv4/tcp_congestion_control: operation not permitted"
    error = refused_sysctl(SHIM.format(said=said))
    assert error is not None
    assert "the host does not let a namespace choose this value" in error.message
    assert "--congestion" in error.hint


@pytest.mark.parametrize("verb", ["allowed", "whitelisted"])
def test_what_the_engine_refuses_itself(verb: str) -> None:
    error = refused_sysctl(f"create x: sysctl 'net.x=1' is not {verb}")
    assert error is not None
    assert error.message.startswith("set net.x: ")


def test_another_error_is_left_alone() -> None:
    assert refused_sysctl("start x: no space left on device") is None
