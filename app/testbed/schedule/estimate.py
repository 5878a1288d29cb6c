"""Estimate, before a run, how long it takes and what it leaves on the disk. No I/O, no clock.

The bounds are those of the scheduler: the cells at the same time, the shares of the processors that it grants
(`testbed.schedule.admission`), and the needs of each cell (`testbed.schedule.needs`). docs/matrix.md says how far off
the estimate was.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from testbed.scenario.expand import PlannedCell
from testbed.scenario.model import HOST
from testbed.schedule.admission import CPU_OVERCOMMIT, JOBS_PER_PROCESSOR
from testbed.schedule.footprint import documents_bytes, raw_bytes
from testbed.schedule.guests import CELLS_PER_GUEST, GUEST_CPU_SHARE, room_on
from testbed.schedule.needs import IDLE_CPU_SHARE, SET_UP_CPU_SHARE
from testbed.schedule.span import Span, largest, smallest, total
from testbed.schedule.transfer import transfer_cpu_s, transfer_s

FRESH_S: Final = Span(1.5, 2.3, 4.0)
"""Time that a cell takes beside its transfer, with everything new, on a machine with a processor for it."""

WARM_S: Final = Span(0.3, 0.7, 1.5)
"""The same with a rig that has served others."""

FRESH_CPU_S: Final = Span(1.2, 2.0, 3.0)
"""Processor time of the same, of all programs of the machine."""

WARM_CPU_S: Final = Span(0.3, 0.6, 1.2)

RIGS: Final = Span(1.0, 2.0, 4.0)
"""How many rigs warm cells need that do not exist yet; each is made as for a fresh cell."""

LOAD: Final = Span(0.0, 1.0, 2.0)
"""The load beside a run, divided by the one before it."""

GUEST_CELL_S: Final = Span(10.0, 15.0, 30.0)
"""Time that a cell takes in a guest VM beside its transfer (docs/kernels.md)."""

GUEST_BOOT_S: Final = Span(0.3, 20.0, 260.0)
"""From a saved state, a boot, a boot on an overloaded machine (docs/kernels.md); a guest to be built takes longer."""

AGAIN_SHARE: Final = Span(0.0, 0.1, 1.0)
"""Of the cells, how many are repeated alone where several run at the same time."""

BEGIN_S: Final = Span(0.5, 1.5, 4.0)
"""Until the first cell begins, and after the last one: images, leftovers, documents."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """How the cells run; `jobs` None = as many as the machine allows."""

    jobs: int | None = 1
    processors: int = 1
    warm: bool = False
    retain: Literal["all", "failed", "summary"] = "all"
    again: bool = True
    load: float = 0.0
    """How many tasks of other programs run, or wait for a processor."""

    guest_slowness: float = 1.0
    """How many times longer programs take in a guest, at most."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What an earlier run has measured of the same cell; None = it has not."""

    transfer_s: float | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will take; `measured` is how many of its cells an earlier run has measured."""

    cells: int
    seconds: Span
    size_bytes: Span
    measured: int = 0
    guests: tuple[str, ...] = ()
    """Kernels of guest VMs, which are built first if they are missing; that is not part of the estimate."""


@dataclass(frozen=True, slots=True)
class _Work:
    """One cell: the time beside its transfer, that of its transfer, and the processor time of both."""

    machine: str
    beside_s: Span
    transfer_s: Span
    cpu_s: Span
    shares_s: Span
    """What the scheduler reserves for it: shares of a processor, for the time in which it has them."""

    size_bytes: Span

    @property
    def wall_s(self) -> Span:
        return self.beside_s + self.transfer_s


def estimate(
    cells: Sequence[PlannedCell], conditions: Conditions, measured: Mapping[str, Measured] | None = None
) -> Estimate:
    """Return what these cells will take; `measured` has what earlier runs know, by the id of the cell."""
    known = measured or {}
    # Repetitions of a cell are alike.
    by_id = {planned.id: planned for planned in cells}
    found = {id_: _work(planned, conditions, known.get(id_, Measured())) for id_, planned in by_id.items()}
    works = [found[planned.id] for planned in cells]
    return Estimate(
        cells=len(cells),
        seconds=_run_s(works, conditions) + BEGIN_S if cells else Span(),
        size_bytes=total(work.size_bytes for work in works),
        measured=sum(planned.id in known for planned in cells),
        guests=tuple(sorted({work.machine for work in works} - {HOST})),
    )


def _work(planned: PlannedCell, conditions: Conditions, measured: Measured) -> _Work:
    cell = planned.cell
    beside_s, cpu_s = (WARM_S, WARM_CPU_S) if conditions.warm else (FRESH_S, FRESH_CPU_S)
    work_s = transfer_cpu_s(cell)
    moves_s = transfer_s(cell, work_s)
    raw = raw_bytes(cell, moves_s)
    if cell.kernel != HOST:
        beside_s = cpu_s = GUEST_CELL_S
        slower = Span(1.0, 1.0, conditions.guest_slowness)
        moves_s, work_s = largest(moves_s, work_s.times(slower)), work_s.times(slower)
    if measured.transfer_s is not None:
        moves_s = Span(0.9, 1.0, 1.5) * measured.transfer_s
    moves_s = moves_s.at_most(cell.deadline_on(conditions.guest_slowness if cell.kernel != HOST else 1))
    beside_s += (cpu_s + work_s).times(LOAD) * _waiting(conditions)
    shares_s = beside_s * SET_UP_CPU_SHARE + largest(moves_s * IDLE_CPU_SHARE, work_s)
    return _Work(cell.kernel, beside_s, moves_s, cpu_s + work_s, shares_s, _size(raw, conditions, measured))


def _size(raw: Span, conditions: Conditions, measured: Measured) -> Span:
    """Return what a cell leaves on the disk: of one that will probably pass, if `retain` is `failed`, nothing raw."""
    documents = documents_bytes()
    if conditions.retain == "summary":
        return documents
    if conditions.retain == "failed":
        return Span(documents.low, documents.likely, documents.high + raw.high)
    if measured.size_bytes is not None:
        return Span(0.8, 1.0, 1.25) * measured.size_bytes
    return documents + raw


def _run_s(works: Sequence[_Work], conditions: Conditions) -> Span:
    """Return the time of all cells: the largest of what bounds it, and at most that plus the longest cell."""
    walls = total(work.wall_s for work in works)
    jobs = conditions.jobs or _automatic_jobs(conditions)
    most_jobs = conditions.jobs or _automatic_jobs(replace(conditions, load=0.0))
    crowded = Span.exactly(1.0) + LOAD * (conditions.load / _own_tasks(jobs, conditions))
    longest = largest(*(work.wall_s for work in works))
    bound = largest(
        walls.times(Span(1 / most_jobs, 1 / jobs, 1 / jobs)),
        total(work.shares_s for work in works) * (1 / (CPU_OVERCOMMIT * conditions.processors)),
        total(work.cpu_s for work in works).times(crowded) * (1 / conditions.processors),
        longest,
        *_guest_bounds(works, conditions.processors),
    )
    # Where each cell begins as soon as another has ended, they end no later than this, or than one after another.
    latest = Span(bound.low, bound.likely, bound.high + longest.high)
    boots = GUEST_BOOT_S * len({work.machine for work in works} - {HOST})
    again = walls.times(AGAIN_SHARE) if conditions.again else Span()
    return smallest(walls, latest) + again + boots + _rigs_s(conditions)


def _automatic_jobs(conditions: Conditions) -> int:
    """Return how many cells `auto` runs at the same time: it adds none while programs wait for a processor."""
    is_busy = conditions.load >= conditions.processors
    return conditions.processors if is_busy else JOBS_PER_PROCESSOR * conditions.processors


def _own_tasks(jobs: int, conditions: Conditions) -> float:
    """Return how many tasks of the run are ready to run: of the engine, and of each cell that is set up."""
    return 1 + min(jobs, CPU_OVERCOMMIT * conditions.processors)


def _rigs_s(conditions: Conditions) -> Span:
    if not conditions.warm:
        return Span()
    return RIGS.times(FRESH_S + FRESH_CPU_S.times(LOAD) * _waiting(conditions))


def _waiting(conditions: Conditions) -> float:
    """Return for how long a cell that is set up alone waits for a processor, for each second that it has one."""
    return conditions.load / (_own_tasks(1, conditions) * conditions.processors)


def _guest_bounds(works: Sequence[_Work], processors: int) -> Iterable[Span]:
    """Yield what bounds the cells of guests: their number in each, and how many are set up at the same time."""
    inside: dict[str, list[_Work]] = defaultdict(list)
    for work in works:
        if work.machine != HOST:
            inside[work.machine].append(work)
    for each in inside.values():
        yield total(work.wall_s for work in each) * (1 / CELLS_PER_GUEST)
    guest_set_ups = total(work.beside_s for each in inside.values() for work in each)
    yield guest_set_ups * (GUEST_CPU_SHARE / room_on(processors).set_ups)
