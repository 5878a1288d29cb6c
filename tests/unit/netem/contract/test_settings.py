import pytest

from netem.contract.errors import SidecarError
from netem.contract.route_metrics import RouteMetrics
from netem.contract.settings import Settings, from_environment


def test_nothing_given_is_the_defaults() -> None:
    assert from_environment({}) == Settings()


def test_empty_is_not_given() -> None:
    assert from_environment({"NETEM_DEVICE": "", "NETEM_PROBES": " "}) == Settings()


def test_0_means_whole_frames_and_half_headers_are_rejected() -> None:
    assert from_environment({"NETEM_SNAPLEN": "0"}).snaplen_bytes == 0
    assert from_environment({"NETEM_CAPTURE_MAX_BYTES": "0"}).capture_max_bytes == 0
    with pytest.raises(SidecarError, match="NETEM_SNAPLEN"):
        from_environment({"NETEM_SNAPLEN": "63"})


def test_everything_given() -> None:
    settings = from_environment(
        {
            "NETEM_IMPAIRMENT": "delay 5ms",
            "NETEM_ENGINE": "kernel",
            "NETEM_ND": "1",
            "NETEM_DEVICE": "eth1",
            "NETEM_SEED": "7",
            "NETEM_PROFILE": "[]",
            "NETEM_PEERS": "a  b",
            "NETEM_FAMILIES": "ipv6",
            "NETEM_PROBES": "0",
            "NETEM_WAIT_FOR_PROBES": "1",
            "NETEM_DELAY_TOLERANCE_MS": "12.5",
            "NETEM_PORT": "80",
            "NETEM_CAPTURE": "0",
            "NETEM_SNAPLEN": "64",
            "NETEM_CAPTURE_MAX_BYTES": "9000000",
            "NETEM_SAMPLE_INTERVAL_MS": "0",
            "NETEM_OUTPUT": "/x",
            "NETEM_DEADLINE_S": "1.5",
            "NETEM_ON_ENGINE_DEATH": "open",
            "NETEM_ROUTE_CONGESTION": "cubic",
            "NETEM_ROUTE_MTU": "1400",
            "NETEM_ROUTE_ADVMSS": "1000",
            "NETEM_ROUTE_INITCWND": "4",
            "NETEM_ROUTE_INITRWND": "5",
            "NETEM_ROUTE_RTO_MIN_MS": "300",
            "NETEM_ROUTE_QUICKACK": "0",
            "NETEM_SYSCTLS": "net.ipv4.tcp_sack net.ipv4.tcp_rmem",
        }
    )
    assert settings == Settings(
        impairment="delay 5ms",
        engine="kernel",
        impair_nd=True,
        device="eth1",
        seed=7,
        profile="[]",
        peers=("a", "b"),
        families=("ipv6",),
        probes=0,
        wait_for_probes=True,
        delay_tolerance_ms=12.5,
        port=80,
        capture=False,
        snaplen_bytes=64,
        capture_max_bytes=9_000_000,
        sample_interval_ms=0,
        output="/x",
        deadline_s=1.5,
        on_engine_death="open",
        route_metrics=RouteMetrics(
            congestion="cubic",
            mtu_bytes=1400,
            advmss_bytes=1000,
            initcwnd_segments=4,
            initrwnd_segments=5,
            rto_min_ms=300,
            quickack=False,
        ),
        sysctls=("net.ipv4.tcp_sack", "net.ipv4.tcp_rmem"),
    )


def test_families_are_ordered_and_unique() -> None:
    assert from_environment({"NETEM_FAMILIES": "ipv6 ipv4 ipv6"}).families == ("ipv4", "ipv6")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NETEM_ENGINE", "magic"),
        ("NETEM_ND", "yes"),
        ("NETEM_SEED", "-1"),
        ("NETEM_FAMILIES", "ipv5"),
        ("NETEM_PROBES", "many"),
        ("NETEM_PORT", "0"),
        ("NETEM_PORT", "65536"),
        ("NETEM_SNAPLEN", "63"),
        ("NETEM_CAPTURE_MAX_BYTES", "7999999"),
        ("NETEM_SAMPLE_INTERVAL_MS", "-1"),
        ("NETEM_DEADLINE_S", "0"),
        ("NETEM_DEADLINE_S", "nan"),
        ("NETEM_ON_ENGINE_DEATH", "ajar"),
        ("NETEM_ROUTE_CONGESTION", "cubic;reboot"),
        ("NETEM_ROUTE_MTU", "67"),
        ("NETEM_ROUTE_RTO_MIN_MS", "1.5"),
        ("NETEM_ROUTE_QUICKACK", "2"),
        ("NETEM_SYSCTLS", "kernel.hostname"),
        ("NETEM_SYSCTLS", "net../../etc/passwd"),
    ],
)
def test_an_invalid_value_is_named_with_the_allowed_ones(name: str, value: str) -> None:
    with pytest.raises(SidecarError) as caught:
        from_environment({name: value})
    assert caught.value.attempt == f"read {name}"
    assert repr(value) in caught.value.message
    assert name in caught.value.hint
