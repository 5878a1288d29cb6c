"""What a run remembers of each attempt: few enough figures that 100 000 of them fit in memory. No I/O."""

from dataclasses import dataclass

from testbed.result import Isolation, Result, Status, cell_folder


@dataclass(frozen=True, slots=True)
class Summary:
    """One finished attempt; a line of `results.jsonl` has these keys."""

    folder: str
    """Name of its folder in the run folder."""

    cell: str
    repetition: int
    attempt: int
    status: Status
    reason: str
    failure_kind: str
    """Why it was not completed (`testbed.result.Failure`); empty when it was."""

    timing_reliable: bool | None
    machine_name: str
    inputs: str
    reused_from: str
    isolation: Isolation
    duration_s: float | None
    goodput_bytes_per_s: float | None
    bytes: int
    """Size on disk; 0 = not measured."""

    ended_ns: int
    """Since the epoch."""


def summary_of(result: Result, *, bytes_on_disk: int, ended_ns: int) -> Summary:
    """Return the summary of a result; `ended_ns` is the time since the epoch at which the attempt ended."""
    return Summary(
        folder=cell_folder(result.cell, result.repetition, result.attempt),
        cell=result.cell,
        repetition=result.repetition,
        attempt=result.attempt,
        status=result.status,
        reason=result.reason,
        failure_kind=result.failure.kind if result.failure is not None else "",
        timing_reliable=result.timing_reliable,
        machine_name=result.machine_name,
        inputs=result.inputs,
        reused_from=result.reused_from,
        isolation=result.isolation,
        duration_s=result.metrics.duration_s,
        goodput_bytes_per_s=result.metrics.goodput_bytes_per_s,
        bytes=bytes_on_disk,
        ended_ns=ended_ns,
    )
