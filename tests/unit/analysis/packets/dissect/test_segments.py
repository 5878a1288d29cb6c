from dataclasses import replace

from testbed.analysis.packets.capture import analyse_capture
from tests.support.captures import SYN, Pcapng, Segment, Wrapping, exchange, pcap


def test_fields() -> None:
    stamp = b"\x01\x01\x08\x0a" + (0xDEADBEEF).to_bytes(4, "big") + bytes(4)
    frames = analyse_capture(pcap([Segment(7, 9, 0x1F0, 3, 1234, options=stamp)])).frames
    assert frames.tcp_flags.tolist() == [0x1F0]
    assert (frames.window_raw[0], frames.payload_bytes[0], frames.header_bytes[0]) == (1234, 3, 32)
    assert frames.timestamp_value.tolist() == [0xDEADBEEF]


def test_tsval_after_other_options() -> None:
    stamp = b"\x08\x0a" + (77).to_bytes(4, "big") + bytes(4)
    syn = Segment(7, 0, SYN, options=b"\x02\x04\x05\xb4\x04\x02" + stamp + b"\x01\x03\x03\x07")
    behind = Segment(8, 9, options=stamp + b"\x01\x01")
    capture = analyse_capture(pcap([syn, behind, Segment(8, 9)]))
    assert capture.frames.timestamp_value.tolist() == [77, 77, 0]
    assert capture.table.window_scale[0].max() == 7


def test_groups_keep_the_order_of_the_file() -> None:
    """Interleaved frames with different headers are read by groups and returned in order."""
    wrappings = [Wrapping(), Wrapping("vlan"), Wrapping("qinq", ip_options=bytes(4))]
    made = Pcapng().section().interface()
    for number, segment in enumerate(exchange(200)):
        made.packet(wrappings[number % 3].frame(segment), segment.time_ns // 1000)
    capture = analyse_capture(made.data())
    assert len(capture) == 1
    assert capture.frames.number.tolist() == list(range(1, len(exchange(200)) + 1))
    assert not capture.frames.marks.any()


def test_both_families_side_by_side() -> None:
    made = Pcapng().section().interface()
    for segment in exchange():
        for version in (4, 6):
            made.packet(Wrapping(version=version).frame(replace(segment)), segment.time_ns // 1000)
    capture = analyse_capture(made.data())
    assert [":" in end.address for end in capture.table.client] == [False, True]
    assert not capture.frames.marks.any()
