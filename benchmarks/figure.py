"""One measured figure, and the median of repeated measurements."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its unit; `least` or `most` is the goal, if there is one; `samples` are the single measurements."""

    name: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None
    samples: Sequence[float] = ()

    @property
    def met(self) -> bool:
        """Return whether the goal is met; a figure without a goal always is."""
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def goal(self) -> str:
        """Return the goal as text, empty if there is none."""
        if self.least is not None and self.most is not None:
            return f"goal {self.least:g} to {self.most:g}"
        if self.least is not None:
            return f"goal >= {self.least:g}"
        return "" if self.most is None else f"goal <= {self.most:g}"

    def record(self) -> dict[str, object]:
        """Return the figure for a JSON document."""
        record: dict[str, object] = {"name": self.name, "value": self.value, "unit": self.unit, "met": self.met}
        record |= {key: value for key, value in (("least", self.least), ("most", self.most)) if value is not None}
        return record | ({"samples": list(self.samples)} if self.samples else {})

    def __str__(self) -> str:
        verdict = f"{self.goal}{'' if self.met else '  MISSED'}"
        return f"{self.name:<44} {self.value:>10.3g} {self.unit:<6} {verdict}".rstrip()


def median(name: str, samples: Sequence[float], unit: str, **goal: float) -> Figure:
    """Return the median of repeated measurements as a figure."""
    return Figure(
        name, statistics.median(samples), unit, least=goal.get("least"), most=goal.get("most"), samples=samples
    )
