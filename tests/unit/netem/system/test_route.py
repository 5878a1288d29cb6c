from typing import Any

import pytest

from netem.contract.errors import SidecarError
from netem.contract.route_metrics import RouteMetrics
from netem.system.route import (
    change_words,
    check_mtu,
    differences,
    ip_words,
    metrics_of,
    set_route_metrics,
    subnet_routes,
)

IPV4: dict[str, Any] = {
    "dst": "192.168.80.0/20",
    "protocol": "kernel",
    "scope": "link",
    "prefsrc": "192.168.80.2",
    "flags": [],
}
IPV6: dict[str, Any] = {
    "dst": "fd7c:9a41:53be:1::/64",
    "protocol": "kernel",
    "metric": 256,
    "flags": [],
    "pref": "medium",
}
OTHERS: list[dict[str, Any]] = [
    {"dst": "default", "gateway": "192.168.80.1", "flags": []},
    {"dst": "fe80::/64", "protocol": "kernel", "metric": 256, "flags": []},
    {"dst": "10.0.0.0/8", "gateway": "192.168.80.7", "protocol": "kernel", "flags": []},
    {"dst": "10.1.0.0/16", "protocol": "boot", "flags": []},
]
ALL = RouteMetrics("cubic", 1400, 1000, 4, 5, 300, quickack=True)


def test_what_is_not_requested_is_no_metric() -> None:
    assert RouteMetrics().by_name() == {}
    assert ip_words(RouteMetrics(mtu_bytes=1400).by_name()) == ["mtu", "1400"]


def test_the_words_of_ip() -> None:
    words = "congctl cubic mtu 1400 advmss 1000 initcwnd 4 initrwnd 5 rto_min 300ms quickack 1"
    assert " ".join(ip_words(ALL.by_name())) == words
    assert RouteMetrics(quickack=False).by_name() == {"quickack": 0}


def test_only_the_networks_of_the_device_are_changed() -> None:
    assert subnet_routes([*OTHERS, IPV4]) == [IPV4]
    assert subnet_routes([*OTHERS, IPV6]) == [IPV6]


def test_the_rest_of_a_route_stays() -> None:
    metrics = RouteMetrics(initcwnd_segments=4).by_name()
    assert " ".join(change_words(IPV4, "eth0", metrics)) == (
        "change 192.168.80.0/20 dev eth0 proto kernel scope link src 192.168.80.2 initcwnd 4"
    )
    assert " ".join(change_words(IPV6, "eth0", metrics)) == (
        "change fd7c:9a41:53be:1::/64 dev eth0 proto kernel metric 256 initcwnd 4"
    )


def test_the_read_back_metrics_are_compared() -> None:
    requested = RouteMetrics(mtu_bytes=1400, congestion="cubic").by_name()
    clipped = IPV4 | {"metrics": [{"mtu": 1300}]}
    assert differences(requested, [clipped]) == [
        "congestion of 192.168.80.0/20 is not set, not cubic.",
        "mtu of 192.168.80.0/20 is 1300, not 1400.",
    ]
    assert differences(requested, [IPV4 | {"metrics": [{"mtu": 1400, "congestion": "cubic"}]}]) == []
    assert metrics_of(IPV4) == {}
    assert differences(RouteMetrics(quickack=False).by_name(), [IPV4]) == []


@pytest.mark.parametrize(
    ("mtu_bytes", "families", "why"),
    [(1279, ("ipv4", "ipv6"), "IPv6 needs 1280"), (1501, ("ipv4",), "the device has 1500")],
)
def test_an_impossible_mtu_is_rejected(mtu_bytes: int, families: tuple[str, ...], why: str) -> None:
    with pytest.raises(SidecarError, match=why):
        check_mtu(RouteMetrics(mtu_bytes=mtu_bytes), families, 1500)


def test_a_possible_mtu_is_accepted() -> None:
    check_mtu(RouteMetrics(mtu_bytes=1279), ("ipv4",), 1500)
    check_mtu(RouteMetrics(mtu_bytes=1500), ("ipv6",), 1500)
    check_mtu(RouteMetrics(), ("ipv6",), 1000)


def test_no_metrics_no_command() -> None:
    assert set_route_metrics("no-such-device", ("ipv4", "ipv6"), RouteMetrics()) == {}
