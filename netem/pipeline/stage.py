"""What a stage is, and what it gets when it is built."""

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
    """What an impairment names but does not contain: the shell reads the files, the core gets the numbers."""

    tables: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Distribution tables by name, see `netem.spec.resources.parse_table`."""
    traces: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Delivery opportunities in ms by name, see `netem.spec.resources.parse_trace`."""


@dataclass(frozen=True, slots=True)
class Build:
    """Everything a stage may be made from."""

    impairment: Impairment
    rng: Random
    """The stage's own, derived from the one seed and the stage's name."""
    counters: Counters
    queue: TimeQueue
    """What waits, for stages whose decision depends on it."""
    resources: Resources
    frame_start: int
    """Where Ethernet begins in a frame."""


class Stage(Protocol):
    """One impairment: looks at a packet and writes its decision into it."""

    def apply(self, packet: Packet) -> None:
        """Decide about `packet`, which has just arrived. Never raises, never blocks."""


Part = Callable[[Impairment], Any]
"""What of an impairment a stage depends on: None means that the stage is not needed; a change that leaves the part
equal leaves the stage with its state."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An entry of the registry."""

    part: Part
    build: Callable[[Build], Stage]
    originals_only: bool = False
    """Whether the copy that `duplicate` made skips this stage."""
