import pytest
from pydantic import ValidationError

from netem.spec import parse
from testbed.scenario.model import FIELDS, GRACE_S, READS_MARGIN, RECORD_KEYS, SLOW_BYTES_PER_S, Cell


def test_the_size_of_a_list_follows_from_nodes_and_content() -> None:
    assert Cell().total_bytes == 255_204
    assert Cell(nodes=10).list_bytes == 12_764
    assert Cell(nodes=10, repeat=3).total_bytes == 3 * 12_764


def test_text_becomes_integers() -> None:
    cell = Cell(chunk="10k", delay="1s", latency="20ms", jitter="500us", rcvbuf="8KiB", timeout="2m")
    assert (cell.chunk_bytes, cell.read_delay_us, cell.latency_us) == (10240, 1_000_000, 20_000)
    assert (cell.jitter_us, cell.rcvbuf_bytes, cell.deadline_s) == (500, 8192, 120.0)


@pytest.mark.parametrize(
    ("fields", "client", "server"),
    [
        ({"latency": "20ms"}, "delay 20ms", "delay 20ms"),
        ({"latency": "20ms", "jitter": "5ms"}, "delay 20ms 5ms", "delay 20ms 5ms"),
        ({"netem": "loss 1%"}, "loss 1%", "loss 1%"),
        ({"latency": "1.5ms", "netem": "loss 1%"}, "delay 1.5ms loss 1%", "delay 1.5ms loss 1%"),
        ({"netem_client": "delay 5ms"}, "delay 5ms", ""),
        ({"netem": "loss 1%", "netem_server": ""}, "loss 1%", ""),
        ({"netem": "loss 1%", "netem_server": "delay 7ms"}, "loss 1%", "delay 7ms"),
    ],
)
def test_impairment_of_each_direction(fields: dict[str, str], client: str, server: str) -> None:
    cell = Cell(**fields)
    assert cell.impairment("client") == client
    assert cell.impairment("server") == server


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"family": "ipv5"}, "ipv4"),
        ({"nodes": 1 << 31}, "less than or equal to"),
        ({"chunk": "0"}, "greater than or equal to 1"),
        ({"chunk": True}, "not a size"),
        ({"chunk": 1.5}, "whole number"),
        ({"delay": 1}, "no unit"),
        ({"delay": "2h"}, "longer than"),
        ({"client": ""}, "neither py, c nor"),
        ({"client": "-v"}, "neither py, c nor"),
        ({"server": "a b"}, "neither py, c nor"),
        ({"netem": "dely 5ms"}, "dely"),
        ({"jitter": "5ms"}, "requires a latency"),
        ({"latency": "1ms", "jitter": "5ms"}, "exceeds latency 1ms"),
        ({"latency": "1ms", "netem": "delay 5ms"}, "both delay what the client sends"),
        ({"latency": "1ms", "netem_server": "delay 5ms"}, "both delay what the server sends"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_invalid_fields(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Cell.model_validate(fields)


def test_the_default_time_out_follows_pauses_and_sizes() -> None:
    assert Cell().deadline_s == GRACE_S
    assert Cell(nodes=0).deadline_on(20) == 20 * GRACE_S
    large = Cell(nodes=10_000, content=1_000_000)
    assert large.deadline_s == pytest.approx(GRACE_S + large.total_bytes / SLOW_BYTES_PER_S, abs=0.5)
    assert Cell(timeout="5s").deadline_on(20) == 5
    slow = Cell(delay="1s")
    assert slow.deadline_s == pytest.approx(GRACE_S + READS_MARGIN * 255_204 / 8192, abs=0.6)


def test_requested_reads_back_as_the_same_cell() -> None:
    cell = Cell(
        client="c", chunk="10k", delay="1.5s", latency="20ms", netem_client="loss 1%", timeout="90s", nodelay=True
    )
    requested = cell.requested()
    assert requested["read_delay"] == "1.5s"
    written = {key: requested[RECORD_KEYS.get(key, key)] for key in FIELDS}
    assert Cell.model_validate(written) == cell


def test_route_metrics_and_settings_of_each_end() -> None:
    cell = Cell(congestion="client=cubic", mtu=1400, sysctl={"net.ipv4.tcp_sack": {"server": 0}})
    assert cell.route_metrics("client") == {"congestion": "cubic", "mtu": "1400"}
    assert cell.route_metrics("server") == {"mtu": "1400"}
    assert (cell.sysctls("client"), cell.sysctls("server")) == ({}, {"net.ipv4.tcp_sack": "0"})
    assert (cell.requested()["congestion"], cell.requested()["mtu"]) == ("client=cubic", "1400")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mtu": 1279, "family": "ipv6"}, "mtu 1279 is below 1280"),
        ({"engine": "kernel", "netem_server": "drop-list 3"}, "use engine user. drop-list"),
        (
            {"engine": "kernel", "profile": [{"at": "1s", "netem": "blackhole 1s 1s"}]},
            "blackhole: netem has no",
        ),
        ({"profile": [{"at": "1s", "netem": "dely 5ms"}]}, "0.netem"),
    ],
)
def test_invalid_links(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Cell(**fields)


def test_the_impairments_of_a_link() -> None:
    cell = Cell(latency="5ms", profile={"server": [{"at": "1s", "netem": "loss 1%"}]})
    assert cell.impairments("client") == [parse("delay 5ms")]
    assert cell.impairments("server") == [parse("delay 5ms"), parse("loss 1%")]
