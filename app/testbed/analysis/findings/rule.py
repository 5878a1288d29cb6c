"""What a finding's module offers, and the three answers it may give."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from testbed.analysis.join.observation import Observation
from testbed.result import Finding, Silence

Answer = Finding | Silence

NO_WINDOW: Final = "no capture shows the receiver's window"
NO_LOG: Final = "the {role} left no event log"
NO_SAMPLES: Final = "the {role}'s sockets were not sampled"


@dataclass(frozen=True, slots=True)
class Rule:
    """One finding: the question that it answers, what it looks at, and the function that answers."""

    name: str
    question: str
    looks_at: str
    explain: Callable[[Observation], Answer]


def silent(name: str, reason: str) -> Silence:
    """Say that there is nothing to report, and why."""
    return Silence(name=name, reason=reason, observable=True)


def unseen(name: str, reason: str) -> Silence:
    """Say that the instruments that would tell were not there."""
    return Silence(name=name, reason=reason, observable=False)


def percent(share: float) -> str:
    """Return a share as people read it."""
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.1g} %"


def sentence_of(clause: str) -> str:
    """Return a clause as a sentence of its own."""
    return f"{clause[:1].upper()}{clause[1:]}."


def times(count: int) -> str:
    """Return how often something happened."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
