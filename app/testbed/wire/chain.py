"""Relink nodes by id: find the order of the links, or the first rule that they break.

Rules in their order (docs/wire-format.md): unique ids, no link to nowhere, no cycle, one chain. Nodes are known by
their place of arrival. All steps are linear in the number of nodes.
"""

from array import array
from collections.abc import Sequence
from typing import Final

from testbed.wire.errors import CycleError, DanglingNextIdError, DuplicateIdError, RemoteError, UnreachableError
from testbed.wire.layout import LAST_ID

_END: Final = -1


class LinkFault(Exception):  # noqa: N818 - not an error of its own: the decoder turns it into one with an offset
    """A broken rule: the class of its error, the node's place of arrival, a sentence."""

    def __init__(self, error: type[RemoteError], index: int, sentence: str) -> None:
        super().__init__(sentence)
        self.error = error
        self.index = index
        self.sentence = sentence


def chain_order(ids: "array[int]", next_ids: "array[int]") -> Sequence[int]:
    """Return the places of arrival in the order of the links; raise LinkFault for the first broken rule."""
    count = len(ids)
    # What the clients send: 0, 1, 2, ... each linked to the next. Compared as arrays this costs next to nothing.
    if count == 0 or (
        next_ids[-1] == LAST_ID and ids == array("i", range(count)) and next_ids[:-1] == array("i", range(1, count))
    ):
        return range(count)
    targets = _targets(ids, next_ids)
    _refuse_cycles(ids, targets)
    at = _only_head(ids, targets)
    order = array("i")
    while at != _END:
        order.append(at)
        at = targets[at]
    return order


def _targets(ids: "array[int]", next_ids: "array[int]") -> "array[int]":
    """Return for each node the place that its link leads to."""
    places: dict[int, int] = {}
    for place, node_id in enumerate(ids):
        if node_id in places:
            raise LinkFault(DuplicateIdError, place, f"{node_id} is the id of node {places[node_id]} already")
        places[node_id] = place
    targets = array("i")
    for place, next_id in enumerate(next_ids):
        if next_id == LAST_ID:
            targets.append(_END)
        elif next_id in places:
            targets.append(places[next_id])
        else:
            raise LinkFault(DanglingNextIdError, place, f"no node has the id {next_id}")
    return targets


def _refuse_cycles(ids: "array[int]", targets: "array[int]") -> None:
    """Walk from every node in turn and leave its number on the way: meeting one's own number again is a cycle."""
    walked_by = array("i", [_END]) * len(targets)
    for start in range(len(targets)):
        at = start
        while at != _END and walked_by[at] == _END:
            walked_by[at] = start
            at = targets[at]
        if at != _END and walked_by[at] == start:
            raise LinkFault(CycleError, start, f"the links from {ids[start]} never end")


def _only_head(ids: "array[int]", targets: "array[int]") -> int:
    linked = bytearray(len(targets))
    for target in targets:
        if target != _END:
            linked[target] = 1
    head = linked.find(0)
    second = linked.find(0, head + 1)
    if second != _END:
        raise LinkFault(UnreachableError, second, f"no link leads to {ids[second]}, nor to {ids[head]}")
    return head
