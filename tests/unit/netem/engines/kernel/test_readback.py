import json

import pytest

from netem.engines.kernel import readback
from netem.spec import parse

# In the form that tc prints (iproute2 6.15, q_netem.c): every float has six digits.
PLAIN = '{"limit":1000,"ecn":false,"gap":0}'
FULL = """{"limit":2000,"delay":{"delay":0.04,"jitter":0.005,"correlation":0.25},
 "loss-random":{"loss":0.01,"correlation":0},"duplicate":{"duplicate":0.02,"correlation":0},
 "reorder":{"reorder":0.3,"correlation":0.5},"corrupt":{"corrupt":0.001,"correlation":0},
 "rate":{"rate":1250000,"packetoverhead":-4,"cellsize":53,"celloverhead":5},
 "slot":{"min-delay":0.0008,"max-delay":0.001,"packets":32,"bytes":0},"seed":11,"ecn":false,"gap":5}"""
FULL_TEXT = (
    "limit 2000 delay 40ms 5ms 25% loss 1% duplicate 2% reorder 30% 50% gap 5 corrupt 0.1%"
    " rate 10mbit -4 53 5 slot 800us 1ms packets 32"
)


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("limit 1000", PLAIN),
        (FULL_TEXT, FULL),
        (f"{FULL_TEXT} seed 11", FULL),
        ("limit 1000 loss gemodel 1% 25%", PLAIN[:-1] + ',"loss-gemodel":{"p":0.01,"r":0.25,"1-h":1,"1-k":0}}'),
        (
            "limit 1000 loss state 1% 90%",
            PLAIN[:-1] + ',"loss-state":{"p13":0.01,"p31":0.9,"p32":0,"p23":1,"p14":0}}',
        ),
        ("limit 1000 loss 1% ecn", '{"limit":1000,"loss-random":{"loss":0.01,"correlation":0},"ecn":true,"gap":0}'),
        (
            "limit 1000 delay 1s 300ms distribution normal",
            PLAIN[:-1] + ',"delay":{"delay":1,"jitter":0.3,"correlation":0}}',
        ),
        ("limit 1000 delay 0ms 10ms 5%", PLAIN),
        ("limit 1000 reorder 0%", PLAIN),
        ("limit 1000 delay 123456789ns", PLAIN[:-1] + ',"delay":{"delay":0.123457,"jitter":0,"correlation":0}}'),
    ],
)
def test_the_requested_impairment_is_no_difference(text: str, reported: str) -> None:
    assert readback.differences(parse(text), json.loads(reported)) == []


@pytest.mark.parametrize(
    ("text", "reported", "sentence"),
    [
        ("limit 1000 delay 5ms", PLAIN, "delay delay: requested 0.005, the kernel has 0."),
        ("limit 1000", PLAIN[:-1] + ',"delay":{"delay":0.005}}', "delay delay: requested 0, the kernel has 0.005."),
        ("limit 2000", PLAIN, "limit: requested 2000, the kernel has 1000."),
        (
            "limit 1000 loss 1%",
            PLAIN[:-1] + ',"loss-random":{"loss":0.02}}',
            "loss-random loss: requested 0.01, the kernel has 0.02.",
        ),
        (
            "limit 1000 rate 8mbit",
            PLAIN[:-1] + ',"rate":{"rate":125000}}',
            "rate rate: requested 1e+06, the kernel has 125000.",
        ),
        ("limit 1000 seed 5", PLAIN, "seed: requested 5, the kernel has 0."),
    ],
)
def test_a_clipped_rewritten_missing_or_added_value_is_named(text: str, reported: str, sentence: str) -> None:
    assert readback.differences(parse(text), json.loads(reported)) == [sentence]


def test_slots_of_a_qdisc_with_a_table_are_reported_as_mean_and_jitter() -> None:
    reported = json.loads(PLAIN[:-1] + ',"slot":{"distribution":0.0025,"jitter":0.0015,"packets":0,"bytes":0}}')
    assert readback.differences(parse("limit 1000 slot 1ms 4ms"), reported, slot_by_table=True) == []
    assert readback.differences(parse("limit 1000 slot 1ms 4ms"), reported)
    fixed = json.loads(PLAIN[:-1] + ',"slot":{"min-delay":0.001,"max-delay":0.001,"packets":0,"bytes":0}}')
    assert readback.differences(parse("limit 1000 slot 1ms"), fixed, slot_by_table=True) == []


def test_find_by_handle() -> None:
    qdiscs = [{"kind": "prio", "handle": "1:"}, {"kind": "netem", "handle": "20:"}]
    assert readback.find(qdiscs, "20:") is qdiscs[1]
    assert readback.find(qdiscs, "30:") is None


def test_counters_of_old_and_new_kernels() -> None:
    old = {"kind": "netem", "bytes": 10, "packets": 2, "drops": 1, "backlog": 0, "qlen": 0}
    assert readback.counters(old) == {"bytes": 10, "packets": 2, "drops": 1, "backlog": 0, "qlen": 0}
    assert readback.counters(old | {"delayed": 4, "ecn_marked": 3})["ecn_marked"] == 3
    assert readback.counters(old | {"xstats": {"delayed": 4}})["delayed"] == 4
