import os

import pytest

from testbed.peer.errors import SystemCallError
from testbed.peer.output import Output, list_lines, node_line
from testbed.wire import ListEnd, Node
from tests.support.wire_vectors import VECTORS, decode


def node(number: int) -> Node:
    return Node(number, -1, 0, 0, "t", 0)


def test_node_line():
    assert (
        node_line(Node(0, 1, 0, 0, "Book by 0", 1000))
        == 'Node: 0, rating: 0, price: 0, title: "Book by 0", content length: 1000'
    )
    assert 'title: "\\x1b[31m\\"", ' in node_line(Node(0, 1, 0, 0, '\x1b[31m"', 0))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_vectors_are_printed_as_specified(vector):
    decoded = decode(vector.decoder(), [vector.stream])
    lines = [line for nodes, end in decoded.lists for line in list_lines(nodes, end, verbose=True)]
    assert lines + ["Ending connection"] * (decoded.error is None) == vector.out


def test_some_nodes_in_the_order_of_the_links():
    end = ListEnd(4, 0, "00", [3, 1, 0, 2])
    lines = list(list_lines([node(10), node(11)], end, verbose=False))
    assert [line.split(",")[0] for line in lines] == ["Node: 11", "Node: 10", "... and 2 more"]


def test_no_nodes():
    assert list(list_lines([], ListEnd(4, 0, "00", range(4)), verbose=False)) == []
    assert list(list_lines([], ListEnd(0, 4, "00", range(0)), verbose=True)) == ["List of 0 nodes, 4 bytes, sha256 00"]


def test_lines_are_written_at_once():
    read_fd, write_fd = os.pipe()
    Output(write_fd).lines(str(number) for number in range(2500))
    os.close(write_fd)
    with os.fdopen(read_fd) as pipe:
        assert pipe.read().split() == [str(number) for number in range(2500)]


def test_output_that_is_gone():
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    with pytest.raises(SystemCallError, match="write to standard output: Broken pipe"):
        Output(write_fd).line("x")
    os.close(write_fd)
