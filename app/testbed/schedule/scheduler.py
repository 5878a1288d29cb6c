"""Which cell begins next: the order, the limits, the repetition of attempts that are not reliable, the end of a run.

No I/O and no clock: the caller passes `now_ns`, what the machine shows, and what has happened.
"""

from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final, Literal

from testbed.schedule.admission import Capacity, Jobs, Reading, Running, fits
from testbed.schedule.needs import SET_UP_S, Needs

LOOK_AHEAD: Final = 16
"""How many cells that do not fit now are passed over for one that does."""

MOST_OVERTAKEN: Final = 32
"""How many cells may overtake the first one before it is waited for."""

SMOOTHING: Final = 0.2
"""Weight of the newest cell in the estimate of the time that cells take beside their transfers."""

Order = Literal["file", "random"]


@dataclass(frozen=True, slots=True)
class Rules:
    """How the cells of a run are scheduled; `jobs` None = as many as the machine allows."""

    jobs: int | None = 1
    order: Order = "file"
    seed: int = 0
    fail_fast: bool = False
    """No cell begins after one has failed."""

    max_duration_s: float | None = None
    """No cell begins that would not end within this time from the start of the run."""

    again: bool = False
    """An attempt that is not reliable is repeated once, alone."""

    @property
    def order_text(self) -> str:
        """Return the order as the option `--order` has it: `file`, or `random:SEED`."""
        return self.order if self.order == "file" else f"{self.order}:{self.seed}"


@dataclass(frozen=True, slots=True)
class Choice:
    """An attempt that begins now: the index of its cell, its number, and whether it runs alone."""

    index: int
    number: int
    alone: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended; `reliable` False = its times, or its failure, say more about the machine than about TCP."""

    failed: bool
    reliable: bool


class Scheduler:
    """The cells of one run, by index: each is waiting, running or done."""

    def __init__(
        self,
        needs: Sequence[Needs],
        rules: Rules,
        capacity: Capacity,
        began_ns: int,
        *,
        done: Collection[int] = (),
        again: Sequence[int] = (),
    ) -> None:
        """`done` are cells that an earlier process has run, `again` those of them that are to be repeated, alone."""
        self._needs = needs
        self._rules = rules
        self._capacity = capacity
        self._began_ns = began_ns
        self._jobs = Jobs(rules.jobs, capacity.processors)
        self._waiting = deque(index for index in _ordered(needs, rules) if index not in done)
        self._waiting_at = Counter(needs[index].machine for index in self._waiting)
        self._again: deque[int] = deque(again)
        self._running: dict[int, Running] = {}
        self._number: dict[int, int] = dict.fromkeys(again, 1)
        self._begin_ns: dict[int, int] = {}
        self._overtaken = 0
        self._beside_s = SET_UP_S
        self.closed = ""
        """Why no further cell begins; empty while they do."""

    @property
    def jobs(self) -> int:
        """Return how many cells may run at the same time now."""
        return self._jobs.now

    @property
    def waiting(self) -> int:
        """Return how many attempts have not begun, repetitions included."""
        return len(self._waiting) + len(self._again)

    @property
    def cells_waiting(self) -> int:
        """Return of how many cells no attempt has begun."""
        return len(self._waiting)

    @property
    def not_begun(self) -> list[int]:
        """Return the cells of which no attempt has begun, in their order."""
        return sorted(self._waiting)

    @property
    def running(self) -> int:
        """Return how many cells run."""
        return len(self._running)

    def close(self, reason: str) -> None:
        """Let no further cell begin."""
        self.closed = self.closed or reason

    def next(self, now_ns: int, reading: Reading) -> Choice | None:
        """Return an attempt that begins now; to be called until it returns None.

        None: no further one fits before another has ended, or before the machine is less busy.
        """
        if self.closed or len(self._running) >= self._most(reading):
            return None
        if self._waiting:
            if self._running and self._jobs.overloaded(reading):
                return None
            return self._next_waiting(now_ns, reading)
        if self._again and not self._running and self._in_time(self._again[0], now_ns):
            return self._begin(self._again.popleft(), now_ns, alone=True)
        return None

    def _most(self, reading: Reading) -> int:
        if reading.slots is None:
            return self._jobs.now
        return reading.slots if self._rules.jobs is None else min(self._rules.jobs, reading.slots)

    def _next_waiting(self, now_ns: int, reading: Reading) -> Choice | None:
        """Return the first cell that fits; those of one machine do not wait for a guest of another to boot."""
        for start, length in self._groups():
            ahead = 1 if self._overtaken >= MOST_OVERTAKEN else LOOK_AHEAD
            for position in range(start, start + min(ahead, length)):
                index = self._waiting[position]
                if not fits(self._needs[index], self._running.values(), self._capacity, reading):
                    continue
                if not self._in_time(index, now_ns):
                    return None
                del self._waiting[position]
                self._waiting_at[self._needs[index].machine] -= 1
                self._overtaken = self._overtaken + 1 if position > start else 0
                return self._begin(index, now_ns)
        return None

    def _groups(self) -> list[tuple[int, int]]:
        """Return the position and the length of each machine's cells among those that wait."""
        counts = [count for count in self._waiting_at.values() if count]
        return list(zip(accumulate([0, *counts]), counts, strict=False))

    def _in_time(self, index: int, now_ns: int) -> bool:
        """Return whether the cell would end within the time of the run; if not, none begins any more."""
        most_s = self._rules.max_duration_s
        if most_s is None:
            return True
        estimate_s = self._beside_s + self._needs[index].transfer_s
        if (now_ns - self._began_ns) / 1e9 + estimate_s <= most_s:
            return True
        self.close(f"the next cell would not have ended within {most_s:g} s")
        return False

    def _begin(self, index: int, now_ns: int, *, alone: bool = False) -> Choice:
        number = self._number[index] = self._number.get(index, 0) + 1
        self._running[index] = Running(self._needs[index], alone)
        self._begin_ns[index] = now_ns
        return Choice(index, number, alone)

    def transfers(self, index: int) -> None:
        """Note that the transfer of a running cell has begun: it needs less of the processors from now on."""
        if index in self._running:
            self._running[index].sets_up = False

    def calm(self, reading: Reading) -> None:
        """Note that some time has passed: `auto` grows where all that runs has been set up and nothing waits."""
        if len(self._running) >= self._jobs.now and not any(each.sets_up for each in self._running.values()):
            self._jobs.grow(reading)

    def end(self, index: int, ending: Ending, now_ns: int, reading: Reading) -> bool:
        """End a running attempt; return whether it will be repeated, alone."""
        del self._running[index]
        took_s = (now_ns - self._begin_ns.pop(index)) / 1e9
        beside_s = max(0.0, took_s - self._needs[index].transfer_s)
        self._beside_s += SMOOTHING * (beside_s - self._beside_s)
        if ending.reliable:
            self._jobs.grow(reading)
        else:
            self._jobs.shrink()
        if self._rules.again and not ending.reliable and self._number[index] == 1 and not self.closed:
            self._again.append(index)
            return True
        del self._number[index]
        if self._rules.fail_fast and ending.failed:
            self.close("a cell has failed (--fail-fast)")
        return False


def _ordered(needs: Sequence[Needs], rules: Rules) -> list[int]:
    """Return the indexes in their order, grouped by machine, so that each guest VM boots once."""
    order = list(range(len(needs)))
    if rules.order == "random":
        generator = Random(rules.seed)  # noqa: S311 - repeatable on purpose
        generator.shuffle(order)
    rank = {machine: number for number, machine in enumerate(dict.fromkeys(needs[index].machine for index in order))}
    return sorted(order, key=lambda index: rank[needs[index].machine])
