import struct

import pytest

from netem.engines.kernel import message
from netem.engines.kernel.message import Tables
from netem.spec import parse

KIND, OPTIONS = 1, 2
CORR, DELAY_DIST, REORDER, CORRUPT, LOSS, RATE, ECN, RATE64, LATENCY64, JITTER64, SLOT, SLOT_DIST, SEED = (
    *range(1, 9),
    *range(10, 15),
)
NESTED = 0x8000


def attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while data:
        length, kind = struct.unpack_from("=HH", data)
        assert 4 <= length <= len(data)
        assert kind not in found
        found[kind] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def options(text: str, tables: Tables | None = None) -> tuple[tuple[int, ...], dict[int, bytes]]:
    request = message.change(7, 0x10002, 0x200000, parse(text), seed=11, tables=tables or Tables())
    length, kind, flags, _, _ = struct.unpack_from("=IHHII", request)
    assert length == len(request)
    assert (kind, flags) == (36, 5)  # RTM_NEWQDISC without create or replace: only what is there is changed
    assert struct.unpack_from("=BxxxiIII", request, 16) == (0, 7, 0x200000, 0x10002, 0)
    outer = attributes(request[36:])
    assert outer[KIND] == b"netem\0"
    return struct.unpack_from("=6I", outer[OPTIONS]), attributes(outer[OPTIONS][24:])


def test_the_empty_impairment_resets_everything() -> None:
    base, sent = options("limit 5")
    assert base == (0, 5, 0, 0, 0, 0)
    assert {CORR, REORDER, CORRUPT, RATE, ECN, LATENCY64, JITTER64, SLOT, SEED} == set(sent)
    assert all(not any(value) for kind, value in sent.items() if kind != SEED)
    assert struct.unpack("=Q", sent[SEED]) == (11,)


def test_every_number_is_at_its_offset() -> None:
    base, sent = options(
        "limit 9 delay 5s 3ms 50% loss 25% 100% duplicate 100% 0% reorder 50% 25% gap 4 corrupt 100% 50%"
        " rate 8mbit -3 53 5 slot 1ms 4ms packets 3 bytes 4000"
    )
    half, quarter, whole = 0x80000000, 0x40000000, 0xFFFFFFFF
    assert base == (0, 9, quarter, 4, whole, 0)
    assert struct.unpack("=3I", sent[CORR]) == (half, whole, 0)
    assert struct.unpack("=2I", sent[REORDER]) == (half, quarter)
    assert struct.unpack("=2I", sent[CORRUPT]) == (whole, half)
    assert struct.unpack("=IiIi", sent[RATE]) == (1_000_000, -3, 53, 5)
    assert struct.unpack("=q", sent[LATENCY64]) == (5 * 10**9,)
    assert struct.unpack("=q", sent[JITTER64]) == (3 * 10**6,)
    assert struct.unpack("=qqiiqq", sent[SLOT]) == (10**6, 4 * 10**6, 3, 4000, 0, 0)
    assert RATE64 not in sent


def test_chains_and_marks() -> None:
    assert struct.unpack("=I", options("loss 1% ecn")[1][ECN]) == (1,)
    state = attributes(options("loss state 100% 0% 50% 25% 0%")[1][LOSS | NESTED])
    assert struct.unpack("=5I", state[1]) == (0xFFFFFFFF, 0, 0x80000000, 0, 0x40000000)  # p13 p31 p32 p14 p23
    burst = attributes(options("loss gemodel 50% 25% 100% 0%")[1][LOSS | NESTED])
    assert struct.unpack("=4I", burst[2]) == (0x80000000, 0x40000000, 0, 0)  # the kernel keeps h, not 1-h


def test_a_rate_above_32_bits_follows_in_64() -> None:
    sent = options("rate 40gbit")[1]
    assert struct.unpack_from("=I", sent[RATE]) == (0xFFFFFFFF,)
    assert struct.unpack("=Q", sent[RATE64]) == (5 * 10**9,)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("slot 1ms 4ms", (10**6, 4 * 10**6, 0, 0, 2_500_000, 1_500_000)),
        ("slot distribution normal 3ms 1ms", (0, 0, 0, 0, 3_000_000, 1_000_000)),
        ("delay 1ms", (0, 0, 0, 0, 0, 0)),
    ],
)
def test_slots_of_a_qdisc_that_has_a_table(text: str, numbers: tuple[int, ...]) -> None:
    sent = options(text, Tables(slot=message.UNIFORM))[1]
    assert struct.unpack("=qqiiqq", sent[SLOT]) == numbers
    assert struct.unpack(f"={len(message.UNIFORM)}h", sent[SLOT_DIST]) == message.UNIFORM
    assert DELAY_DIST not in sent


def test_a_table_is_sent_whole() -> None:
    assert options("delay 9ms 1ms", Tables(delay=(-3, 0, 5)))[1][DELAY_DIST] == struct.pack("=3h", -3, 0, 5)


def test_the_uniform_table_is_centred_and_spans_the_jitter() -> None:
    assert sum(message.UNIFORM) == 0
    assert (min(message.UNIFORM), max(message.UNIFORM)) == (-8190, 8190)
