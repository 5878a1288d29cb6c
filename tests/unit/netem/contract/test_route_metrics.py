import pytest

from netem.contract.errors import SidecarError
from netem.contract.route_metrics import RouteMetrics
from netem.contract.variable import read_fields


def test_nothing_requested_is_no_metric() -> None:
    assert RouteMetrics().by_name() == {}


def test_metrics_have_the_names_that_ip_prints() -> None:
    every = RouteMetrics("cubic", 1400, 1000, 4, 5, 300, quickack=False)
    assert every.by_name() == {
        "congestion": "cubic",
        "mtu": 1400,
        "advmss": 1000,
        "initcwnd": 4,
        "initrwnd": 5,
        "rto_min": 300,
        "quickack": 0,
    }


def test_one_congestion_control() -> None:
    assert read_fields(RouteMetrics, {"NETEM_ROUTE_CONGESTION": "cubic"}) == {"congestion": "cubic"}
    with pytest.raises(SidecarError, match="name of a congestion control"):
        read_fields(RouteMetrics, {"NETEM_ROUTE_CONGESTION": "cubic bbr"})
