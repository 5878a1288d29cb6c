"""What a rule returns: a typed fact with the raw data that shows it, or the reason why there is none.

Nothing here is text for people, apart from constant phrases. `testbed.report.sentences` renders the facts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from testbed.result import Confidence

Int64 = NDArray[np.int64]


class Fact:
    """Base of all facts: frozen dataclasses whose fields carry their unit in their name; None = not known."""

    __slots__ = ()


Phrase = Fact | str
"""A fact, which a renderer turns into words, or a constant phrase."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Raw data that shows a fact: frames of a capture, lines of a file, or a file as a whole.

    `numbers` are frame or line numbers in order. `display_filter` finds frames of the same kind in Wireshark.
    """

    file: str
    kind: Literal["frames", "samples", "events", "file"]
    description: str
    numbers: Int64
    stream: int = 0
    display_filter: str = ""


FactT_co = TypeVar("FactT_co", bound=Fact, covariant=True)


@dataclass(frozen=True, slots=True, eq=False)
class Measured(Generic[FactT_co]):
    """A fact, the raw data that shows it, and what weakens it.

    `contradicted_by` has what other instruments show against it, `not_observed` what no instrument measured.
    `strength`, from 0 to 1, is how much of the cell it explains.
    """

    fact: FactT_co
    evidence: Sequence[Source] = ()
    confidence: Confidence = "high"
    contradicted_by: Sequence[Phrase] = ()
    not_observed: Sequence[Phrase] = ()
    strength: float = 0.0


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """Why a rule has no fact; `observable` is false when the instruments that it needs are missing."""

    reason: Phrase
    observable: bool


def not_applicable(reason: Phrase) -> NotMeasured:
    """Return that the instruments were there and show nothing to report."""
    return NotMeasured(reason, observable=True)


def unobservable(reason: Phrase) -> NotMeasured:
    """Return that the instruments that would show it are missing."""
    return NotMeasured(reason, observable=False)
