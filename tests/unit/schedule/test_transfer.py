import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.scenario.expand import expand
from testbed.scenario.model import Cell
from testbed.schedule.span import Span
from testbed.schedule.transfer import calls, transfer_cpu_s, transfer_s

FIELDS = st.fixed_dictionaries(
    {"nodes": st.integers(0, 5000), "content": st.integers(0, 5000), "chunk": st.integers(1, 20_000)},
    optional={
        "delay": st.sampled_from(["0", "10ms", "1s"]),
        "read_size": st.integers(1, 20_000),
        "netem": st.sampled_from(["rate 1mbit", "delay 20ms", "loss 1%", "delay 20ms rate 4mbit loss 1%"]),
        "timeout": st.sampled_from(["1s", "1m"]),
    },
)


def cell(**fields: object) -> Cell:
    return expand(fields)[0].cell


@given(FIELDS)
def test_a_transfer_has_a_range_below_its_deadline(fields: dict[str, object]) -> None:
    made = cell(**fields)
    for span in (transfer_s(made), transfer_cpu_s(made)):
        assert 0 <= span.low <= span.likely <= span.high
    assert transfer_s(made).high <= made.deadline_s


@given(FIELDS, st.integers(1, 1000))
def test_more_bytes_never_take_less(fields: dict[str, object], more: int) -> None:
    fewer, larger = cell(**fields), cell(**{**fields, "nodes": fields["nodes"] + more})  # type: ignore[operator]
    for one, two in ((transfer_s(fewer), transfer_s(larger)), (transfer_cpu_s(fewer), transfer_cpu_s(larger))):
        for name in ("low", "likely", "high"):
            assert getattr(one, name) <= getattr(two, name) or getattr(one, name) == made_deadline(fewer)


def made_deadline(made: Cell) -> float:
    return made.deadline_s


def test_the_reader_or_the_link_decides() -> None:
    slow = transfer_s(cell(delay="1s"))
    assert slow.likely == pytest.approx(31.2, rel=0.03)
    limited = transfer_s(cell(nodes=1000, netem="rate 1mbit"))
    assert limited.likely == pytest.approx(1_276_000 * 8 / 1e6, rel=0.05)


def test_a_link_that_loses_is_less_certain() -> None:
    even, lossy = transfer_s(cell(netem="delay 20ms")), transfer_s(cell(netem="delay 20ms loss 1%"))
    assert width(lossy) > 2 * width(even)


def width(span: Span) -> float:
    return span.high - span.low


def test_small_writes_cost_processor_time() -> None:
    assert calls(cell(nodes=0)) == Span(1.5, 2, 3)
    slow, quick = calls(cell(chunk=1, delay="1s")), calls(cell(chunk=1))
    assert quick.likely == pytest.approx(2 * 255_204, rel=0.01)
    assert slow.likely == pytest.approx(255_204 + 32, rel=0.01)
    assert transfer_cpu_s(cell(chunk=1)).likely > 10 * transfer_cpu_s(cell()).likely
