"""The interface of a finding's module, and the reasons that several rules share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from testbed.analysis.findings.measured import Fact, Measured, NotMeasured
from testbed.analysis.join.observation import Observation, Role

Answer = Measured[Fact] | NotMeasured

NO_WINDOW: Final = "no capture shows the receiver's window"
NO_SENDER_FRAMES: Final = "no capture shows the sender's frames"
NO_CAPTURE: Final = "there is no capture"


@dataclass(frozen=True, slots=True)
class Rule:
    """One finding: the question that it answers, its sources, the facts that it may return, and the measurement.

    `without_connection` says that it applies to an attempt to connect, too.
    """

    name: str
    question: str
    looks_at: str
    facts: tuple[type[Fact], ...]
    measure: Callable[[Observation], Answer]
    without_connection: bool = False


@dataclass(frozen=True, slots=True)
class NoLog(Fact):
    """The program of this end left no event log."""

    role: Role


@dataclass(frozen=True, slots=True)
class NoSamples(Fact):
    """The sockets of this end were not sampled; None = those of neither end."""

    role: Role | None
