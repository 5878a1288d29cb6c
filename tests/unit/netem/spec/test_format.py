import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from netem.spec import SpecError, format_impairment, parse
from netem.spec.format import format_extension, format_netem
from netem.spec.model import (
    MAX_S32,
    MAX_U32,
    MAX_U64,
    Blackhole,
    Corrupt,
    Delay,
    Duplicate,
    Extension,
    Filter,
    GilbertElliottLoss,
    Impairment,
    RandomLoss,
    Rate,
    Reorder,
    Slot,
    StateLoss,
)

# the whole domain of the model: whatever can be built must survive the way through text
probability = st.one_of(st.floats(2**-32, 1), st.integers(0, 1000).map(lambda n: n / 1000))
time_ns = st.one_of(st.integers(0, 10**12), st.integers(0, 2**63 - 1))
jitter_ns = st.integers(0, MAX_S32)
name = st.sampled_from(["normal", "pareto", "paretonormal", "uniform", "my-table"])


@st.composite
def delays(draw: st.DrawFn) -> Delay:
    delay, jitter = draw(time_ns), draw(jitter_ns)
    return Delay(delay, jitter, draw(probability), draw(name) if delay and jitter and draw(st.booleans()) else None)


@st.composite
def slots(draw: st.DrawFn) -> Slot:
    bounds = {"max_packets": draw(st.integers(0, MAX_S32)), "max_bytes": draw(st.integers(0, MAX_S32))}
    if draw(st.booleans()):
        return Slot(distribution=draw(name), delay_ns=draw(time_ns), jitter_ns=draw(st.integers(1, MAX_S32)), **bounds)
    low, high = sorted([draw(time_ns), draw(time_ns)])
    return Slot(low, high, **bounds)


losses = st.one_of(
    st.builds(RandomLoss, probability, probability),
    st.builds(StateLoss, probability, probability, probability, probability, probability),
    st.builds(GilbertElliottLoss, probability, probability, probability, probability),
)


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    signed = st.integers(-MAX_S32 - 1, MAX_S32)
    cell, cell_overhead = draw(st.integers(0, MAX_U32)), draw(signed)
    assume(not cell or cell + cell_overhead > 0)
    return Rate(draw(st.integers(8, 2**63 - 1)), draw(signed), cell, cell_overhead)


ranges = st.lists(st.integers(1, 10**6), unique=True, max_size=8).map(
    lambda edges: tuple((first, last - 1) for first, last in zip(*[iter(sorted(edges))] * 2, strict=False))
)
filters = st.one_of(
    st.builds(Filter, st.sampled_from([None, "ipv4", "ipv6"]), st.sampled_from(["tcp", "udp", "icmp", "47", "0"])),
    st.builds(Filter, st.just("ipv6"), st.sampled_from([None, "tcp"]), st.one_of(st.none(), st.integers(1, 65535))),
)
extensions = st.builds(
    Extension,
    drop_list=ranges,
    blackholes=st.lists(st.builds(Blackhole, time_ns, st.integers(1, 2**63 - 1)), max_size=3).map(tuple),
    per_segment=st.booleans(),
    keep_order=st.booleans(),
    true_correlation=st.booleans(),
    filter=st.one_of(st.none(), filters),
    impair_nd=st.booleans(),
    trace=st.sampled_from([None, "cable"]),
)


@st.composite
def impairments(draw: st.DrawFn) -> Impairment:
    def maybe(strategy: st.SearchStrategy[object]) -> object:
        return draw(st.one_of(st.none(), strategy))

    try:
        return Impairment(
            limit_packets=maybe(st.integers(0, MAX_U32)),
            delay=maybe(delays()),
            loss=maybe(losses),
            ecn=draw(st.booleans()),
            corrupt=maybe(st.builds(Corrupt, probability, probability)),
            duplicate=maybe(st.builds(Duplicate, probability, probability)),
            reorder=maybe(st.builds(Reorder, st.floats(0.001, 1), probability, st.integers(1, MAX_U32))),
            rate=maybe(rates()),
            slot=maybe(slots()),
            seed=maybe(st.integers(0, MAX_U64)),
            extension=draw(extensions),
        )
    except SpecError:
        assume(False)
        raise


@given(impairments())
def test_model_to_text_to_model_is_the_identity(impairment: Impairment) -> None:
    text = format_impairment(impairment)
    assert parse(text) == impairment
    assert format_impairment(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "limit 10 delay 100ms 10ms 25% distribution normal loss gemodel 1% 25% ecn corrupt 0.1% duplicate 1% 7%",
        "delay 1600ms reorder 25% 50% gap 5 rate 5kbit 20 100 5 seed 42",
        "loss state 1% 25% 5%",
        "loss 0%",
        "rate 1500kbit slot 800us 1ms packets 5 bytes 1500",
        "slot distribution pareto 10ms 1ms",
        "drop-list 2,3,7-9 blackhole 2s 500ms blackhole 9s 1ms keep-order per-segment nd correlation true",
        "trace cable filter family ipv6 protocol tcp port 80",
    ],
)
def test_canonical_texts_stay(text: str) -> None:
    assert format_impairment(parse(text)) == text


def test_words_of_tc_and_ours_are_apart() -> None:
    impairment = parse("nd delay 5ms drop-list 1")
    assert format_netem(impairment) == ["delay", "5ms"]
    assert format_extension(impairment.extension) == ["drop-list", "1", "nd"]
