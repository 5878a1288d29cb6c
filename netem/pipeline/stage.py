"""The interface of a stage, and the context that it is built from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from netem.pipeline.packet import Packet
from netem.pipeline.queue import TimeQueue
from netem.pipeline.statistics import Counters
from netem.spec.model import Impairment


@dataclass(frozen=True, slots=True)
class Resources:
    """The tables and traces that an impairment names: the caller reads the files and passes their contents."""

    tables: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Distribution tables by name, see `netem.spec.resources.parse_table`."""
    traces: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Delivery opportunities in ms by name, see `netem.spec.resources.parse_trace`."""


@dataclass(frozen=True, slots=True)
class StageContext:
    """Everything that a stage may use."""

    impairment: Impairment
    rng: Random
    """A generator for this stage alone, derived from the seed and the name of the stage."""
    counters: Counters
    queue: TimeQueue
    """The packets that wait, for stages whose decision depends on them."""
    resources: Resources
    frame_start: int
    """Offset of the Ethernet header in a frame."""


State = dict[str, Any]
"""Configuration and state of a portable stage by name: integers, and tuples of them."""


class Stage(Protocol):
    """One impairment: it inspects a packet and writes its decision into it."""

    def apply(self, packet: Packet) -> None:
        """Decide about `packet`, which has just arrived. It neither raises nor blocks."""


class PortableStage(Stage, Protocol):
    """A stage that the data path in C applies as well, packet for packet. It has no state but the one it exports."""

    def export_state(self) -> State:
        """Return the numbers that the other data path needs: those of its structure for this stage."""

    def import_state(self, state: State) -> None:
        """Continue where the other data path stopped; `state` has the names of the export."""


ConfigOf = Callable[[Impairment], Any]
"""Return the part of an impairment that a stage depends on, None if the stage is not needed. A change that leaves this
part equal keeps the stage and its state."""


@dataclass(frozen=True, slots=True)
class StageSpec:
    """An entry of the registry."""

    config: ConfigOf
    build: Callable[[StageContext], Stage]
    originals_only: bool = False
    """Whether copies made by `duplicate` skip this stage."""
    portable: bool = False
    """Whether it builds a `PortableStage`."""
