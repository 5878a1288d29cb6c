"""Change what the kernel reported in the samples of an observation."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from testbed.analysis.join.observation import Observation
from testbed.analysis.join.samples import Int64, Samples

Column = int | str | Callable[[Samples], Int64]
"""One value for all samples, or a function of the samples that returns a value for each."""


def with_columns(
    observation: Observation, of: Literal["sender", "receiver"] = "sender", **columns: Column
) -> Observation:
    """Return the observation with columns of one end's samples replaced."""
    end = observation.sender if of == "sender" else observation.receiver
    assert end.samples is not None
    texts = {name: _texts(end.samples, column) for name, column in columns.items()}
    changed = replace(end, samples=replace(end.samples, texts={**end.samples.texts, **texts}))
    return replace(observation, sender=changed) if of == "sender" else replace(observation, receiver=changed)


def _texts(samples: Samples, column: Column) -> list[str]:
    if callable(column):
        return [str(value) for value in column(samples).tolist()]
    return [str(column)] * len(samples)


def same_as(name: str) -> Callable[[Samples], Int64]:
    """Return a column that equals another one."""
    return lambda samples: samples.column(name)
