"""Compare what the kernel reports with what was requested, field by field.

The form is that of `tc -j -s qdisc show` (iproute2, q_netem.c): times in seconds, rates in bytes per second,
probabilities from 0 to 1, all floats with six digits. tc never reports the table of a distribution.
"""

from typing import Any

from netem.spec import Impairment, as_netem, limit_packets
from netem.spec.model import GilbertElliottLoss, RandomLoss, Slot, StateLoss

_NS = 1e9
_SIX_DIGITS = 1e-5
"""Relative error of a float printed with %g."""
_PROBABILITY_STEP = 2**-31
"""The kernel stores probabilities as 32-bit fractions."""

Fields = dict[tuple[str, ...], float]


def expected(requested: Impairment, *, slot_by_table: bool = False) -> Fields:
    """Return every number that the read-back must hold, by its path; what is not requested must be absent or zero.

    `slot_by_table`: the qdisc has a table for its slots and reports a varying delay as mean and jitter.
    """
    reorders = requested.reorder is not None and requested.reorder.probability > 0
    fields: Fields = {
        ("limit",): limit_packets(requested),
        ("gap",): requested.reorder.gap if requested.reorder and reorders else 0,
    }
    fields["ecn",] = float(requested.ecn)
    if requested.delay is not None and requested.delay.delay_ns:  # tc reports no jitter with a delay of zero
        fields["delay", "delay"] = requested.delay.delay_ns / _NS
        fields["delay", "jitter"] = requested.delay.jitter_ns / _NS
        fields["delay", "correlation"] = requested.delay.correlation
    for name, part in (
        ("corrupt", requested.corrupt),
        ("duplicate", requested.duplicate),
        ("reorder", requested.reorder),
    ):
        if part is not None:
            fields[name, name] = part.probability
            fields[name, "correlation"] = part.correlation
    if requested.seed is not None:
        fields["seed",] = requested.seed
    return fields | _loss(requested) | _rate(requested) | _slot(as_netem(requested).slot, by_table=slot_by_table)


def _loss(requested: Impairment) -> Fields:
    loss = requested.loss
    if isinstance(loss, RandomLoss):
        return {("loss-random", "loss"): loss.probability, ("loss-random", "correlation"): loss.correlation}
    if isinstance(loss, StateLoss):
        states = {"p13": loss.p13, "p31": loss.p31, "p32": loss.p32, "p23": loss.p23, "p14": loss.p14}
        return {("loss-state", name): value for name, value in states.items()}
    if isinstance(loss, GilbertElliottLoss):
        moves = {"p": loss.to_bad, "r": loss.to_good, "1-h": loss.bad_loss, "1-k": loss.good_loss}
        return {("loss-gemodel", name): value for name, value in moves.items()}
    return {}


def _rate(requested: Impairment) -> Fields:
    if requested.rate is None:
        return {}
    return {
        ("rate", "rate"): requested.rate.rate_bps // 8,
        ("rate", "packetoverhead"): requested.rate.overhead_bytes,
        ("rate", "cellsize"): requested.rate.cell_bytes,
        ("rate", "celloverhead"): requested.rate.cell_overhead_bytes,
    }


def _slot(slot: Slot | None, *, by_table: bool) -> Fields:
    if slot is None:
        return {}
    times = {"min-delay": slot.min_ns, "max-delay": slot.max_ns}
    if slot.distribution is not None:
        times = {"distribution": slot.delay_ns, "jitter": slot.jitter_ns}
    elif by_table and slot.max_ns - slot.min_ns > 1:
        times = {"distribution": (slot.min_ns + slot.max_ns) // 2, "jitter": (slot.max_ns - slot.min_ns) // 2}
    fields: Fields = {("slot", name): value / _NS for name, value in times.items()}
    return fields | {("slot", "packets"): slot.max_packets, ("slot", "bytes"): slot.max_bytes}


def _flatten(options: dict[str, Any]) -> Fields:
    fields: Fields = {}
    for name, value in options.items():
        if isinstance(value, dict):
            fields |= {(name, *path): number for path, number in _flatten(value).items()}
        elif isinstance(value, bool | int | float):
            fields[name,] = float(value) if isinstance(value, bool) else value
    return fields


def differences(requested: Impairment, options: dict[str, Any], *, slot_by_table: bool = False) -> list[str]:
    """Return a sentence for every field that the kernel clipped, rewrote, omitted or added."""
    wanted, reported = expected(requested, slot_by_table=slot_by_table), _flatten(options)
    if requested.seed is None:
        reported.pop(("seed",), None)  # Linux before 6.6 has no seed
    found = []
    for path in sorted(wanted.keys() | reported.keys()):
        want, got = wanted.get(path, 0), reported.get(path, 0)
        if abs(want - got) > max(_SIX_DIGITS * abs(want), _PROBABILITY_STEP):
            found.append(f"{' '.join(path)}: requested {want:g}, the kernel has {got:g}.")
    return found


def find(qdiscs: list[dict[str, Any]], handle: str) -> dict[str, Any] | None:
    """Return the qdisc with that handle."""
    return next((qdisc for qdisc in qdiscs if qdisc.get("handle") == handle), None)


_COUNTERS = ("bytes", "packets", "drops", "overlimits", "requeues", "backlog", "qlen")
_XSTATS = ("delayed", "dropped", "corrupted", "duplicated", "reordered", "ecn_marked")


def counters(qdisc: dict[str, Any]) -> dict[str, int]:
    """Return the counters of one qdisc, and those of each impairment where kernel and tc report them."""
    found = {name: int(qdisc[name]) for name in (*_COUNTERS, *_XSTATS) if name in qdisc}
    inner = qdisc.get("xstats")
    return found | {name: int(inner[name]) for name in _XSTATS if isinstance(inner, dict) and name in inner}
