import tracemalloc
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.wire import LocalError, Node, encode_list, encode_node, list_blocks, list_bytes, rechunk, stream_chunks
from testbed.wire.encoder import BLOCK_BYTES, encode_header
from tests.support.wire_vectors import VECTORS


def plain_list(nodes: int, content_bytes: int) -> bytes:
    """The same list the slow way, from the definition in docs/wire-format.md."""
    return encode_list(
        Node(
            i,
            i + 1 if i + 1 < nodes else -1,
            (2 * i + 2**15) % 2**16 - 2**15,
            3 * i % 2**32,
            f"Book by {i}",
            content_bytes,
            b"a" * content_bytes,
        )
        for i in range(nodes)
    )


def test_the_list_of_the_exercise():
    (vector,) = (vector for vector in VECTORS if vector.name == "valid-exercise-10x1000")
    assert b"".join(list_blocks(10, 1000)) == vector.stream
    assert list_bytes(10, 1000) == 12764


@pytest.mark.parametrize(
    ("nodes", "content_bytes"),
    [(0, 5), (1, 0), (3, 0), (500, 1000), (2, BLOCK_BYTES - 276), (2, BLOCK_BYTES), (3, 3 * BLOCK_BYTES + 1)],
)
def test_blocks_are_bounded_and_add_up(nodes, content_bytes):
    blocks = list(list_blocks(nodes, content_bytes))
    assert b"".join(blocks) == plain_list(nodes, content_bytes)
    assert sum(map(len, blocks)) == list_bytes(nodes, content_bytes)
    assert max(map(len, blocks)) <= BLOCK_BYTES


def test_ratings_wrap():
    assert b"".join(list_blocks(17000, 0)) == plain_list(17000, 0)


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(1, 60))
def test_cut(blocks, chunk_bytes):
    chunks = [bytes(chunk) for chunk in rechunk(blocks, chunk_bytes)]
    assert b"".join(chunks) == b"".join(blocks)
    assert all(len(chunk) == chunk_bytes for chunk in chunks[:-1])
    assert all(0 < len(chunk) <= chunk_bytes for chunk in chunks)


@pytest.mark.parametrize("lists", [1, 2, 5])
@pytest.mark.parametrize("content_bytes", [0, 10, 30_000, 1_500_000])
@pytest.mark.parametrize("chunk_bytes", [1000, 65536, 10_000_000])
def test_chunks_of_a_stream(lists, content_bytes, chunk_bytes):
    chunks = [bytes(chunk) for chunk in stream_chunks(3, content_bytes, lists, chunk_bytes)]
    assert b"".join(chunks) == plain_list(3, content_bytes) * lists
    assert {len(chunk) for chunk in chunks[:-1]} <= {chunk_bytes}


def test_chunks_without_end():
    once = b"".join(list_blocks(3, 10))
    chunks = islice(stream_chunks(3, 10, 0, len(once)), 100)
    assert [bytes(chunk) for chunk in chunks] == [once] * 100


@pytest.mark.parametrize(("nodes", "content_bytes"), [(1, 1 << 30), (100_000, 1000)])
def test_content_is_not_built_in_memory(nodes, content_bytes):
    tracemalloc.start()
    try:
        sizes = [len(chunk) for chunk in islice(stream_chunks(nodes, content_bytes, 1, 10_000), 1000)]
        assert sizes == [10_000] * 1000
        assert tracemalloc.get_traced_memory()[1] < 4 * BLOCK_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "node",
    [
        Node(0, -1, 0, 0, "t" * 255, 0),
        Node(0, -1, 0, 0, "a\0b", 0),
        Node(0, -1, 0, 0, "t", 3, b"ab"),
        Node(2**31, -1, 0, 0, "t", 0),
        Node(0, -1, 2**15, 0, "t", 0),
        Node(0, -1, 0, -1, "t", 0),
    ],
)
def test_what_does_not_fit_is_an_error(node):
    with pytest.raises(LocalError):
        encode_node(node)


@pytest.mark.parametrize("count", [-1, 2**31])
def test_a_count_that_does_not_fit_is_an_error(count):
    with pytest.raises(LocalError):
        encode_header(count)
