import pytest

from netem.observe import tcp_info

OFFSETS = {"rto": 8, "rtt": 68, "total_retrans": 100, "bytes_acked": 120, "snd_wnd": 228, "total_rto_time": 244}


def test_known_offsets() -> None:
    found = {name: offset for name, offset, _ in tcp_info.FIELDS}
    assert {name: found[name] for name in OFFSETS} == OFFSETS


def test_fields_ascend_and_do_not_overlap() -> None:
    end = 0
    for name, offset, size in tcp_info.FIELDS:
        assert offset >= end, name
        end = offset + size


@pytest.mark.parametrize("length", [0, 1, 7, 8, 11, 12, 103, 104, 111, 112, 232, 248, 280, 400])
def test_a_field_is_present_if_all_of_its_bytes_are(length: int) -> None:
    data = bytes(range(256)) + bytes(200)
    values = tcp_info.decode(data[:length])
    whole = [(offset, size) for _, offset, size in tcp_info.FIELDS if offset + size <= length]
    assert list(values) == [int.from_bytes(data[offset : offset + size], "little") for offset, size in whole]
