import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.analysis.packets.capture import analyse_capture
from testbed.analysis.packets.dissect.options import ParsedOptions, parse_options
from tests.support.captures import TIMESTAMPS, Segment, exchange, pcap, sack, syn_options


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ParsedOptions()),
        (syn_options(mss=1400, scale=9), ParsedOptions(1400, 9)),
        (b"\x03\x03\x0f", ParsedOptions(window_scale=14)),
        (TIMESTAMPS + sack(1, 2, 3, 4), ParsedOptions(blocks=(1, 2, 3, 4))),
        (b"\x02\x04\x05\xb4\x04\x02\x08\x0a\x01\x02\x03\x04" + bytes(4), ParsedOptions(1460, tsval=0x01020304)),
        (b"\x08\x06\x01\x02\x03\x04", ParsedOptions()),
        (b"\x00\x02\x04\x05\xb4", ParsedOptions()),
        (b"\x05\x02", ParsedOptions(blocks=())),
        (b"\x05\x0a\x00", ParsedOptions()),
        (b"\x02\x01\x05\xb4", ParsedOptions()),
        (b"\x02", ParsedOptions()),
        (b"\xfd\x04\x00\x00\x02\x04\x05\xb4", ParsedOptions(1460)),
        (b"\x02\x03\x05\x01\x03\x04\x01\x01", ParsedOptions()),
        (b"\x05\x2a" + bytes(40), ParsedOptions(blocks=(0,) * 8)),
    ],
)
def test_walk(data: bytes, expected: ParsedOptions) -> None:
    assert parse_options(data) == expected


@given(st.binary(max_size=40))
def test_walking_garbage_ends(data: bytes) -> None:
    walked = parse_options(data)
    assert -1 <= walked.window_scale <= 14
    assert 0 <= walked.mss_bytes <= 65535


@pytest.mark.parametrize("blocks", [1, 2, 3])
@pytest.mark.parametrize("lead", [TIMESTAMPS, b"", b"\x01" * 4, b"\x08\x0a" + bytes(8)])
def test_columns_and_walk_agree(lead: bytes, blocks: int) -> None:
    """SACKed bytes are subtracted from the bytes in flight, whatever the layout of the options."""
    edges = [(5000 + 1000 * n, 5100 + 1000 * n) for n in range(blocks)]
    tail = [
        Segment(3001, 5001, length=9000),
        Segment(5001, 3001, from_server=True, options=lead + sack(*(edge for pair in edges for edge in pair))),
        Segment(12_001, 5001, length=100),
    ]
    capture = analyse_capture(pcap([*exchange(20)[:-3], *tail]))
    assert capture.frames.in_flight_bytes[-1] == 9100 - 100 * blocks
    assert capture.table.mss_bytes.tolist() == [[1460, 1460]]
