import struct

import pytest

from testbed.wire.layout import HEADER_STRUCT, LAST_ID, NODE, NODE_STRUCT, TITLE_BYTES, node_offset


def test_sizes_are_those_of_the_format():
    assert (HEADER_STRUCT.size, NODE_STRUCT.size, TITLE_BYTES, LAST_ID) == (4, 276, 255, -1)


def test_fields_follow_one_another_without_a_gap():
    end = 0
    for field in NODE:
        assert field.offset == end
        end += field.size
    assert end == NODE_STRUCT.size


def test_the_struct_puts_each_value_at_its_offset():
    packed = NODE_STRUCT.pack(1, 2, 3, 4, b"title", 5)
    found = {
        name: struct.unpack_from(code, packed, node_offset(name))[0]
        for name, code in {"id": "<i", "next_id": "<i", "rating": "<h", "price": "<I", "content_length": "<I"}.items()
    }
    assert found == {"id": 1, "next_id": 2, "rating": 3, "price": 4, "content_length": 5}
    assert packed[node_offset("title") :].startswith(b"title\0")
    for field in NODE:
        if field.kind == "pad":
            assert not any(packed[field.offset : field.offset + field.size])


def test_no_such_field():
    with pytest.raises(KeyError):
        node_offset("colour")
