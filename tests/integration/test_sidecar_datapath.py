"""The two data paths of the user engine on the wire: which one is used, and what happens to the queue at a change."""

import json

import pytest

from tests.support.link_traffic import datagrams, start_datagrams
from tests.support.sidecar import START_S, Bed, kill_engine


def test_the_path_is_reported_and_both_count_alike(made: Bed, family: str) -> None:
    counted = {}
    for path, text in (("c", "delay 20ms 1us limit 500"), ("python", "delay 20ms 1us limit 500 drop-list 4000000")):
        pair = made.pair(engine="user", server_impairment="", client_impairment=text)
        assert pair[0].events("link")[0]["readback"]["data_path"] == path
        assert len(datagrams(pair, family, 100)) == 100
        counters = pair[0].stop()["counters"]["link"]
        assert counters["data_path"] == path
        pair[1].stop()
        counted[path] = counters["measured"]
        # A busy machine is late, but most frames not by as much again.
        assert 19_999_000 <= counted[path]["delay_ns"]["min"] <= counted[path]["delay_ns"]["p50"] < 40_000_000
        # Frames that were queued when the counters restarted count as out only; the kernel's own reports of multicast
        # groups may come at any time, and may still be queued at the end.
        gone = counted[path]["packets_out"] + counted[path]["packets_queued"]
        assert gone >= counted[path]["packets_in"] > 100
        for sidecar in pair:
            sidecar.container.remove(force=True)
    assert counted["c"].keys() == counted["python"].keys()
    assert all(counts["delayed"] >= 101 for counts in counted.values())


def test_nothing_is_lost_when_one_path_follows_the_other(made: Bed, family: str) -> None:
    count = 1500
    pair = made.pair(engine="user", server_impairment="", client_impairment="delay 300ms limit 20000")
    sending = start_datagrams(pair, family, count, gap_s=0.002)
    sending.wait_sending()
    python = "delay 301ms 1us drop-list 4000000"
    for text in (python, "delay 300ms", "delay 350ms", "delay 301ms 1us duplicate 0%", python, "delay 300ms nd"):
        status, answer = pair[0].netem("change", f"{text} limit 20000")
        assert status == 0, answer
    arrived = sending.arrived()
    assert sorted(each.number for each in arrived) == list(range(count))
    assert min(each.delay_ms for each in arrived) >= 299.9
    counted = pair[0].stop()["counters"]["link"]
    assert counted["data_path"] == "c"
    assert counted["measured"]["packets_in"] > count
    assert counted["measured"]["dropped_limit"] == 0
    assert counted["measured"]["delay_ns"]["min"] >= 299_900_000
    assert counted["measured"]["queue_packets_max"] > 50


def test_a_rejected_change_leaves_the_path_unchanged(made: Bed) -> None:
    pair = made.pair(engine="user", server_impairment="", client_impairment="delay 30ms")
    status, _ = pair[0].netem("change", "delay 30ms 1ms distribution nowhere")
    assert status == 1
    assert len(datagrams(pair, "ipv4", 20)) == 20
    assert pair[0].stop()["counters"]["link"]["data_path"] == "c"


@pytest.mark.parametrize("impairment", ["delay 50ms", "delay 50ms 1us", "delay 50ms corrupt 0.1%"])
def test_nothing_passes_unimpaired_after_the_engine_has_died(made: Bed, family: str, impairment: str) -> None:
    """Not even while the sidecar tears down: the redirect stays, and what it sends to the engine is dropped."""
    pair = made.pair(engine="user", server_impairment="", client_impairment=impairment)
    sending = start_datagrams(pair, family, 100_000, gap_s=0.0005, quiet_s=1.0)
    sending.wait_sending()
    kill_engine(pair[0].container)
    assert pair[0].wait_exit() == 1
    sending.sink.wait(timeout=START_S)
    delays_ms = [delay_ns / 1e6 for _, delay_ns, *_ in json.loads(sending.sink.logs().decode().splitlines()[-1])]
    assert len(delays_ms) > 20
    assert min(delays_ms) > 49.9
