"""Route metrics and sysctls of a cell, observed in the sockets and on the wire."""

from collections.abc import Callable

import pytest

from testbed.pytest_plugin import CellShown
from tests.integration.conftest import Command
from tests.support.wire_view import connection, data_of, samples, sent_by

pytestmark = pytest.mark.docker

Run = Callable[..., CellShown]

HEADERS_BYTES = {"ipv4": 40, "ipv6": 60}
TIMESTAMPS_BYTES = 12
FIRST_FLIGHT_NS = 60_000_000
"""With 50 ms in each direction the first ACK comes after 100 ms; bytes sent before it are the initial window."""


def passed(shown: CellShown) -> CellShown:
    assert (shown.result.status, shown.result.reason) == ("passed", "")
    return shown


def test_the_congestion_control_of_one_end(testbed_cell: Run, family: str) -> None:
    shown = passed(testbed_cell(family=family, congestion={"client": "cubic"}, latency="20ms"))
    assert {row["congestion"] for row in samples(shown.folder, "client")} == {"cubic"}
    assert shown.result.link["client"].route == {family: {"congestion": "cubic"}}
    assert shown.result.link["server"].route == {}


def test_the_mtu_bounds_segments_both_ways(testbed_cell: Run, family: str) -> None:
    shown = passed(testbed_cell(family=family, mtu="client=1400", latency="20ms"))
    mss = 1400 - HEADERS_BYTES[family]
    assert {int(row["snd_mss"]) for row in samples(shown.folder, "client")} == {mss - TIMESTAMPS_BYTES}
    assert connection(shown.folder, "server").client.mss_bytes == mss


def test_the_advertised_mss(testbed_cell: Run, family: str) -> None:
    shown = passed(testbed_cell(family=family, advmss={"server": 1000}, latency="20ms"))
    assert connection(shown.folder, "client").server.mss_bytes == 1000
    assert {int(row["snd_mss"]) for row in samples(shown.folder, "client")} == {1000 - TIMESTAMPS_BYTES}


def test_the_initial_congestion_window(testbed_cell: Run, family: str) -> None:
    shown = passed(testbed_cell(family=family, initcwnd="client=4", congestion="cubic", latency="50ms"))
    data = data_of(connection(shown.folder, "client"))
    first_flight = data.take(data.time_ns < data.time_ns[0] + FIRST_FLIGHT_NS)
    mss = int(samples(shown.folder, "client")[0]["snd_mss"])
    assert int(first_flight.payload_bytes.sum()) == 4 * mss


def test_the_initial_receive_window(testbed_cell: Run, family: str) -> None:
    shown = passed(testbed_cell(family=family, initrwnd="server=3", latency="5ms"))
    server = connection(shown.folder, "server")
    (answer,) = {int(raw) for raw in sent_by(server, "server").window_raw[:1]}
    mss = 1500 - HEADERS_BYTES[family]
    assert answer <= 3 * mss
    assert answer > 2 * mss


def test_the_minimum_rto(testbed_cell: Run, family: str) -> None:
    shown = passed(testbed_cell(family=family, rto_min={"client": "700ms"}, latency="20ms"))
    assert min(int(row["rto"]) for row in samples(shown.folder, "client")) >= 700_000
    assert shown.result.link["client"].route[family] == {"rto_min": 700}


def test_quickack_is_set(testbed_cell: Run, family: str) -> None:
    shown = passed(testbed_cell(family=family, quickack="server=on,client=off", nodes=1))
    assert shown.result.link["server"].route[family] == {"quickack": 1}
    assert shown.result.link["client"].route[family] in ({"quickack": 0}, {})


def test_sysctls_of_one_end_and_of_both(testbed_cell: Run, family: str) -> None:
    settings = {"net.ipv4.tcp_timestamps": 0, "net.ipv4.tcp_rmem": {"server": "4096 16384 16384"}}
    shown = passed(testbed_cell(family=family, sysctl=settings, latency="20ms"))
    frames = connection(shown.folder, "client").frames
    assert len(frames) > 3
    assert not frames.timestamp_value.any()
    assert {int(row["rcvbuf"]) for row in samples(shown.folder, "server")} == {16_384}
    assert shown.result.link["server"].sysctls == {
        "net.ipv4.tcp_timestamps": "0",
        "net.ipv4.tcp_rmem": "4096 16384 16384",
    }
    assert shown.result.link["client"].sysctls == {"net.ipv4.tcp_timestamps": "0"}


def test_without_route_metrics_nothing_is_set(testbed_cell: Run, family: str) -> None:
    shown = passed(testbed_cell(family=family, nodes=1))
    assert [(link.route, link.sysctls) for link in shown.result.link.values()] == [({}, {})] * 2
    assert connection(shown.folder, "client").frames.timestamp_value.any()


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("--congestion", "nonesuch"), 3, "Unknown tcp congestion algorithm"),
        (("--congestion", "nonesuch"), 3, "hint: this kernel has "),
        (("--mtu", "9000"), 3, "9000 bytes: the device has 1500"),
        (("--mtu", "1000", "--family", "ipv6"), 2, "mtu 1000 is below 1280"),
        (("--sysctl", "net.ipv4.tcp_nonesuch=1"), 3, "set net.ipv4.tcp_nonesuch: this kernel has no such setting"),
        (("--sysctl", "net.ipv4.tcp_sack=banana"), 3, "set net.ipv4.tcp_sack: the kernel rejects this value"),
        (("--sysctl", "kernel.hostname=x"), 2, "is not the key of a network sysctl"),
    ],
)
def test_what_the_kernel_rejects(command: Command, arguments: tuple[str, ...], code: int, expected: str) -> None:
    done = command("run", "--nodes", "1", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert expected in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
