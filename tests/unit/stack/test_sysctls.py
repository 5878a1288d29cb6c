import pytest

from testbed.stack.sysctls import rejected_sysctl

SHIM = "start x: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container "
SHIM += "process: error during container init: {text}: unknown"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "open /proc/sys/net/ipv4/tcp_nosuch: no such file or directory",
            "set net.ipv4.tcp_nosuch: this kernel has no such setting per network namespace",
        ),
        ("open /proc/sys/net/core/rmem_max: permission denied", "set net.core.rmem_max: it belongs to the host"),
        ("write /proc/sys/net/ipv4/tcp_sack: invalid argument", "set net.ipv4.tcp_sack: the kernel rejects"),
        (
            "write /proc/sys/net/ipv4/tcp_sack: no such file or directory",
            "set net.ipv4.tcp_sack: this kernel does not know",
        ),
        ("write /proc/sys/net/ipv4/tcp_sack: input/output error", "set net.ipv4.tcp_sack: input"),
    ],
)
def test_an_error_of_runc_is_explained(text: str, message: str) -> None:
    error = rejected_sysctl(SHIM.format(text=text))
    assert error is not None
    assert error.message.startswith(message)
    assert error.hint.startswith("`sysctl -a")


CRUN = "start x: failed to create shim task: OCI runtime create failed: {text}: unknown"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "open `/proc/sys/net/ipv4/nosuch`: No such file or directory",
            "set net.ipv4.nosuch: this kernel has no such setting per network namespace",
        ),
        ("write to `/proc/sys/net/ipv4/tcp_rmem`: Invalid argument", "set net.ipv4.tcp_rmem: the kernel rejects"),
    ],
)
def test_an_error_of_crun_is_explained(text: str, message: str) -> None:
    error = rejected_sysctl(CRUN.format(text=text))
    assert error is not None
    assert error.message.startswith(message)


def test_the_congestion_control_has_a_hint_of_its_own() -> None:
    text = "write /proc/sys/net/ipv4/tcp_congestion_control: operation not permitted"
    error = rejected_sysctl(SHIM.format(text=text))
    assert error is not None
    assert "the host does not allow this value in a namespace" in error.message
    assert "--congestion" in error.hint


@pytest.mark.parametrize("verb", ["allowed", "whitelisted"])
def test_an_error_of_docker_itself(verb: str) -> None:
    error = rejected_sysctl(f"create x: sysctl 'net.x=1' is not {verb}")
    assert error is not None
    assert error.message.startswith("set net.x: ")


def test_other_errors_are_not_changed() -> None:
    assert rejected_sysctl("start x: no space left on device") is None
