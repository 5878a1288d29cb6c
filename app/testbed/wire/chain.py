"""Relink nodes by id: find the order of the links, or the first rule that they violate.

The rules in order (docs/wire-format.md): unique ids, no dangling link, no cycle, one chain. A node is identified by its
index in order of arrival. All steps are linear in the number of nodes.
"""

from array import array
from collections.abc import Sequence
from typing import Final

from testbed.wire.errors import CycleError, DanglingNextIdError, DuplicateIdError, RemoteError, UnreachableError
from testbed.wire.layout import LAST_ID

_END: Final = -1


class LinkFault(Exception):  # noqa: N818 - internal: the decoder converts it to an error with an offset
    """A violated rule: the class of its error, the index of the node, a sentence."""

    def __init__(self, error: type[RemoteError], index: int, sentence: str) -> None:
        super().__init__(sentence)
        self.error = error
        self.index = index
        self.sentence = sentence


def chain_order(ids: "array[int]", next_ids: "array[int]") -> Sequence[int]:
    """Return the indices of the nodes in the order of the links; raise LinkFault for the first violated rule."""
    count = len(ids)
    # The clients send 0, 1, 2, ... each linked to the next. Comparing arrays is almost free.
    if count == 0 or (
        next_ids[-1] == LAST_ID and ids == array("i", range(count)) and next_ids[:-1] == array("i", range(1, count))
    ):
        return range(count)
    targets = _targets(ids, next_ids)
    _check_cycles(ids, targets)
    at = _only_head(ids, targets)
    order = array("i")
    while at != _END:
        order.append(at)
        at = targets[at]
    return order


def _targets(ids: "array[int]", next_ids: "array[int]") -> "array[int]":
    """Return the index of the next node for each node."""
    indices: dict[int, int] = {}
    for index, node_id in enumerate(ids):
        if node_id in indices:
            raise LinkFault(DuplicateIdError, index, f"node {indices[node_id]} also has the id {node_id}")
        indices[node_id] = index
    targets = array("i")
    for index, next_id in enumerate(next_ids):
        if next_id == LAST_ID:
            targets.append(_END)
        elif next_id in indices:
            targets.append(indices[next_id])
        else:
            raise LinkFault(DanglingNextIdError, index, f"no node has the id {next_id}")
    return targets


def _check_cycles(ids: "array[int]", targets: "array[int]") -> None:
    """Follow the links from every node and mark the nodes of each walk; a walk that reaches its own mark is a cycle."""
    walked_by = array("i", [_END]) * len(targets)
    for start in range(len(targets)):
        at = start
        while at != _END and walked_by[at] == _END:
            walked_by[at] = start
            at = targets[at]
        if at != _END and walked_by[at] == start:
            raise LinkFault(CycleError, start, f"the links from node {ids[start]} lead into a cycle")


def _only_head(ids: "array[int]", targets: "array[int]") -> int:
    linked = bytearray(len(targets))
    for target in targets:
        if target != _END:
            linked[target] = 1
    head = linked.find(0)
    second = linked.find(0, head + 1)
    if second != _END:
        raise LinkFault(UnreachableError, second, f"no link leads to node {ids[second]}, nor to node {ids[head]}")
    return head
