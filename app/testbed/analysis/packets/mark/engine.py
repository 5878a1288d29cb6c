"""Mark all frames of a batch: the regular ones by columns, the stretches in between by the machine."""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

import numpy as np

from testbed.analysis.packets.flags import Mark
from testbed.analysis.packets.follow.streams import Batch, Side
from testbed.analysis.packets.mark.fast_path import (
    OptionsSeen,
    PeerState,
    Results,
    Sacks,
    find_irregular,
    mark,
    mark_duplicate_sacks,
    mark_window_probes,
)
from testbed.analysis.packets.mark.reference import Flow, Machine, Outcome
from testbed.analysis.packets.mark.relative import Relative, count_from_first
from testbed.analysis.packets.mark.resume import Resumer
from testbed.analysis.packets.mark.scales import Scales, follow_scales

# When the machine may hand back: tried first after so many frames, then at doubling distances, and only when so many
# regular frames would follow. Rebuilding a state costs as much as about 20 frames.
FIRST_TRY: Final = 8
LONGEST_WAIT: Final = 256
WORTH_FRAMES: Final = 24

STATE_MARKS: Final = (Mark.KEEP_ALIVE | Mark.ZERO_WINDOW_PROBE).value
"""The marks of a side's last frame that later frames depend on."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is found of a batch."""

    results: Results
    relative: Relative
    scales: Scales


def analyse(batch: Batch, results: Results | None = None, relative: Relative | None = None) -> Judgement:
    """Return what each frame of the batch is; written into `results` and `relative` where there is room already."""
    sides = _sides(batch)
    results = results or Results.empty(len(batch))
    relative = relative or Relative.empty(len(batch))
    scales = follow_scales(batch)
    options = OptionsSeen(scales.before, Sacks.of(batch))
    odd = []
    for side, other in (sides, sides[::-1]):
        peer = PeerState.before(side, other)
        mark(side, other, peer, options, results)
        odd.append(side.at[find_irregular(side, other, peer)])
    resumer = Resumer(batch, sides, results.marks, scales.before)
    _judge_stretches(batch, resumer, np.sort(np.concatenate(odd)).tolist(), results)
    for side, other in (sides, sides[::-1]):
        mark_window_probes(side, other, results)
    mark_duplicate_sacks(batch, results)
    count_from_first(sides, relative)
    return Judgement(results, relative, scales)


def analyse_by_machine(batch: Batch) -> Results:
    """Return the same results as `analyse`, every frame judged by the machine: the definition, and slow."""
    sides = _sides(batch)
    results = Results.empty(len(batch))
    resumer = Resumer(batch, sides, results.marks, follow_scales(batch).before)
    for start, stop in zip(batch.first[:-1].tolist(), batch.first[1:].tolist(), strict=True):
        machine = Machine()
        for frame in resumer.frames(start, stop):
            _write(results, frame.at, machine.step(frame))
    for side, other in (sides, sides[::-1]):
        mark_window_probes(side, other, results)
    mark_duplicate_sacks(batch, results)
    return results


def _sides(batch: Batch) -> tuple[Side, Side]:
    sides = Side(batch, second=False), Side(batch, second=True)
    sides[0].answer(sides[1])
    sides[1].answer(sides[0])
    return sides


def _judge_stretches(batch: Batch, resumer: Resumer, odd: list[int], results: Results) -> None:
    ends = batch.first[1:].tolist()
    next_odd = 0
    while next_odd < len(odd):
        position = odd[next_odd]
        connection = int(np.searchsorted(batch.first, position, side="right")) - 1
        position = _judge_stretch(resumer, connection, (position, ends[connection]), odd, results)
        next_odd = bisect_left(odd, position, lo=next_odd)


def _judge_stretch(
    resumer: Resumer, connection: int, stretch: tuple[int, int], odd: list[int], results: Results
) -> int:
    """Run the machine from the stretch's first frame until its state is a regular one; return where it stopped."""
    start, end = stretch
    machine = resumer.machine(connection, start)
    try_at, wait = start + FIRST_TRY, FIRST_TRY
    for frame in resumer.frames(start, end):
        _write(results, frame.at, machine.step(frame))
        position = frame.at + 1
        if position < try_at or position == end or not _calm(machine):
            continue
        following = bisect_left(odd, position)
        if following < len(odd) and odd[following] < min(position + WORTH_FRAMES, end):
            try_at = odd[following] + 1
        elif _same(machine, resumer.machine(connection, position)):
            return position
        else:
            wait = min(2 * wait, LONGEST_WAIT)
            try_at = position + wait
    return end


def _write(results: Results, at: int, outcome: Outcome) -> None:
    results.marks[at] = outcome.marks
    results.in_flight_bytes[at] = outcome.in_flight_bytes
    results.acked_at[at] = outcome.acked_at
    results.ack_rtt_ns[at] = outcome.ack_rtt_ns
    results.rto_ns[at] = outcome.rto_ns


def _calm(machine: Machine) -> bool:
    """Tell cheaply whether the state may be a regular one."""
    return all(
        flow.max_to_be_acked == flow.next_seq and flow.in_flight_valid and not flow.unacked.odd
        for flow in machine.flows
    )


def _same(machine: Machine, other: Machine) -> bool:
    return (machine.syn_time_ns, machine.initial_rtt_ns) == (other.syn_time_ns, other.initial_rtt_ns) and all(
        _state(mine) == _state(theirs) for mine, theirs in zip(machine.flows, other.flows, strict=True)
    )


def _state(flow: Flow) -> tuple[object, ...]:
    return (
        flow.next_seq,
        flow.next_seq_time_ns,
        flow.max_to_be_acked,
        flow.last_push_bytes,
        flow.last_ack,
        flow.window,
        flow.last_marks & STATE_MARKS,
        flow.dup_acks,
        flow.scale,
        flow.awaits_first_ack,
        flow.base_seq,
        flow.in_flight_valid,
        flow.sack,
        flow.unacked.in_order(),
    )
