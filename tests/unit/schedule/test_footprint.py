from hypothesis import given
from hypothesis import strategies as st

from testbed.scenario.expand import expand
from testbed.schedule.footprint import documents_bytes, raw_bytes
from testbed.schedule.span import Span
from testbed.schedule.transfer import transfer_s


def raw(**fields: object) -> Span:
    cell = expand(fields)[0].cell
    return raw_bytes(cell, transfer_s(cell))


@given(st.integers(0, 3000), st.integers(1, 3000), st.integers(1, 20_000), st.sampled_from([0, 128, 300]))
def test_raw_files_have_a_range_and_grow(nodes: int, more: int, chunk: int, snaplen: int) -> None:
    fewer = raw(nodes=nodes, chunk=chunk, snaplen=snaplen)
    larger = raw(nodes=nodes + more, chunk=chunk, snaplen=snaplen)
    assert 0 < documents_bytes().low < fewer.low <= fewer.likely <= fewer.high
    assert (fewer.low, fewer.likely, fewer.high) <= (larger.low, larger.likely, larger.high)


def test_what_is_captured_and_sampled_decides() -> None:
    assert raw(nodes=5000, snaplen=0).likely > 1.2 * raw(nodes=5000).likely
    large = {"nodes": 50_000, "content": 10_000, "snaplen": 0}
    assert raw(**large, capture_max="8M").high < raw(**large).high / 2
    assert raw(delay="1s").likely > 2 * raw(delay="1s", sample_interval="1s").likely
    assert raw(delay="1s", sample_interval="0").high < raw(delay="1s", sample_interval="1s").high
    assert raw(chunk=1).likely > raw().likely + 200_000 * 40
