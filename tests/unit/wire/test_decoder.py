"""The decoder against the vectors, however the stream is cut, and against anything at all."""

import hashlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.wire import Caps, Decoder, ListEnd, Node, RemoteError, encode_list, list_blocks
from testbed.wire.errors import REMOTE_ERRORS
from testbed.wire.layout import HEADER_STRUCT, NODE_STRUCT
from testbed.wire.records import MAX_CONTENT_BYTES, MAX_NODES
from tests.support.wire_vectors import VECTORS, Vector, decode

every_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)


def expected_end(vector: Vector) -> tuple:
    return (vector.kind, vector.position)


@every_vector
def test_whole(vector):
    assert decode(vector.decoder(), [vector.stream]).end == expected_end(vector)


@every_vector
def test_byte_by_byte(vector):
    whole = decode(vector.decoder(keep=True), [vector.stream])
    pieces = [vector.stream[at : at + 1] for at in range(len(vector.stream))]
    assert repr(decode(vector.decoder(keep=True), pieces)) == repr(whole)


@every_vector
def test_in_two_at_every_offset(vector):
    whole = repr(decode(vector.decoder(), [vector.stream]))
    # The long vector is cut at every offset of its first nodes and of its end; the rest of it repeats itself.
    length = len(vector.stream)
    for at in range(length + 1) if length < 4000 else (*range(3000), *range(length - 300, length + 1)):
        assert repr(decode(vector.decoder(), [vector.stream[:at], vector.stream[at:]])) == whole, at


@every_vector
def test_truncated_at_every_offset(vector):
    whole = decode(vector.decoder(), [vector.stream])
    known_at = vector.position.offset if vector.position else len(vector.stream)
    for at in range(min(known_at, 3000)):
        rechunk = decode(vector.decoder(), [vector.stream[:at]])
        if rechunk.error is None:  # only between lists, where any number of them is expected
            assert vector.lists == 0
            continue
        assert (rechunk.error.kind, rechunk.error.offset) == ("early-end", at)
        assert len(rechunk.lists) <= len(whole.lists)


@every_vector
@pytest.mark.parametrize("tail", [b"\0", b"\xff" * 600])
def test_with_a_tail(vector, tail):
    whole = decode(vector.decoder(), [vector.stream])
    with_tail = decode(vector.decoder(), [vector.stream + tail])
    if vector.kind == "early-end" or vector.lists == 0:
        assert with_tail.error is None or with_tail.error.offset >= len(vector.stream) - NODE_STRUCT.size
        return
    assert repr(with_tail.lists) == repr(whole.lists)
    if vector.kind == "ok":
        assert with_tail.end == ("trailing-bytes", (len(vector.stream), vector.lists, None, "end"))
    elif vector.kind != "trailing-bytes":
        assert with_tail.end == whole.end


@every_vector
def test_the_stream_is_hashed_list_by_list(vector):
    at = 0
    for _, end in decode(vector.decoder(), [vector.stream]).lists:
        assert end.sha256_hex == hashlib.sha256(vector.stream[at : at + end.size_bytes]).hexdigest()
        at += end.size_bytes
    if vector.kind == "ok":
        assert at == len(vector.stream)


def test_there_is_a_vector_for_every_rule():
    assert {vector.kind for vector in VECTORS} == {"ok", *REMOTE_ERRORS}
    assert len(REMOTE_ERRORS) == 12


def test_content_is_kept_or_not():
    stream = encode_list([Node(0, 1, 0, 0, "a", 3, b"abc"), Node(1, -1, 0, 0, "b", 0, b"")])
    assert [node.content for node in decode(Decoder(keep=True), [stream]).lists[0][0]] == [b"abc", b""]
    assert [node.content for node in decode(Decoder(), [stream]).lists[0][0]] == [None, None]


def test_a_node_comes_with_its_last_byte():
    stream = encode_list([Node(0, 1, 0, 0, "a", 3, b"abc"), Node(1, -1, 0, 0, "b", 0, b"")])
    decoder = Decoder()
    assert list(decoder.feed(stream[: 4 + 276 + 2])) == []
    assert [node.id for node in decoder.feed(stream[4 + 276 + 2 : 4 + 276 + 3])] == [0]


def test_the_buffer_may_be_used_again():
    stream = b"".join(list_blocks(20, 100))
    decoder = Decoder(keep=True)
    buffer = bytearray(37)
    events = []
    for at in range(0, len(stream), 37):
        size = len(stream[at : at + 37])
        buffer[:size] = stream[at : at + 37]
        events += decoder.feed(memoryview(buffer)[:size])
    assert {node.content for node in events if isinstance(node, Node)} == {b"a" * 100}
    assert isinstance(events[-1], ListEnd)


def test_position_follows_the_stream():
    decoder = Decoder()
    stream = b"".join(list_blocks(1, 2))
    assert decoder.position == (0, 0, None, "count")
    list(decoder.feed(stream[:20]))
    assert decoder.position == (20, 0, 0, "title")
    list(decoder.feed(stream[20:281]))
    assert decoder.position == (281, 0, 0, "content")
    list(decoder.feed(stream[281:]))
    assert decoder.position == (282, 1, None, "end")


def test_nothing_is_allocated_because_it_was_announced():
    header = HEADER_STRUCT.pack(MAX_NODES)
    record = NODE_STRUCT.pack(0, 1, 0, 0, b"t", MAX_CONTENT_BYTES)
    tracemalloc.start()
    try:
        decoder = Decoder(keep=True)
        list(decoder.feed(header + record))
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_digested_content():
    block = b"a" * 65536
    decoder = Decoder()
    list(decoder.feed(HEADER_STRUCT.pack(2) + NODE_STRUCT.pack(0, 1, 0, 0, b"t", MAX_CONTENT_BYTES)))
    tracemalloc.start()
    try:
        for _ in range(MAX_CONTENT_BYTES // len(block)):
            list(decoder.feed(block))
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=254).filter(
    lambda text: len(text.encode()) <= 254
)


@st.composite
def chains(draw):
    """Nodes with any values, in any order of arrival, and the ids in the order of the links."""
    ids = draw(st.lists(st.integers(-(2**31), 2**31 - 1).filter(lambda n: n != -1), unique=True, max_size=12))
    nodes = []
    for node_id, next_id in zip(ids, [*ids[1:], -1], strict=False):
        content = draw(st.binary(max_size=300))
        rating = draw(st.integers(-(2**15), 2**15 - 1))
        nodes.append(
            Node(node_id, next_id, rating, draw(st.integers(0, 2**32 - 1)), draw(texts), len(content), content)
        )
    return draw(st.permutations(nodes)), ids


@given(chains(), st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_round_trip(chain, sizes):
    nodes, ids = chain
    stream = encode_list(nodes)
    pieces, at = [], 0
    while at < len(stream):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(stream[at : at + size])
        at += size
    decoded = decode(Decoder(keep=True), pieces)
    assert decoded.error is None
    ((got, end),) = decoded.lists
    assert got == list(nodes)
    assert [got[index].id for index in end.order] == ids
    assert (end.count, end.size_bytes) == (len(nodes), len(stream))


@given(st.binary(max_size=1200), st.integers(0, 2))
def test_garbage_raises_nothing_else(data, lists):
    decode(Decoder(lists=lists), [data])


@given(
    st.sampled_from([vector for vector in VECTORS if len(vector.stream) < 2000]),
    st.lists(st.tuples(st.integers(0, 1999), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_a_corrupted_vector_raises_nothing_else(vector, changes):
    stream = bytearray(vector.stream)
    for at, byte in changes:
        if at < len(stream):
            stream[at] = byte
    decoded = decode(vector.decoder(), [bytes(stream)])
    if decoded.error is not None:
        assert isinstance(decoded.error, RemoteError)
        assert 0 <= decoded.error.offset <= len(stream)


def test_caps_are_inclusive():
    caps = Caps(max_nodes=1, max_content_bytes=2, max_total_bytes=282)
    assert decode(Decoder(caps=caps), [b"".join(list_blocks(1, 2))]).error is None


def test_the_position_holds_at_each_list_of_a_feed():
    stream = b"".join(list_blocks(2, 3))
    decoder = Decoder(lists=3)
    positions = [decoder.position for event in decoder.feed(stream * 3) if isinstance(event, ListEnd)]
    found = [(position.offset, position.list_index, position.field) for position in positions]
    assert found == [(562, 1, "count"), (1124, 2, "count"), (1686, 3, "end")]
