"""What the kernel engine gets, and what it cannot do: known before anything starts."""

from dataclasses import replace

from netem.spec.format import format_netem
from netem.spec.model import Delay, Impairment, Loss, Slot, StateLoss
from netem.spec.quantity import fixed_point

DEFAULT_LIMIT_PACKETS = 1000  # netem's own (`q_netem.c`)
MAX_SIZED_LIMIT_PACKETS = 100_000  # of 1500 B: 150 MB; an unlimited queue would turn a flood into lost memory
_ASSUMED_RATE_BPS = 10**9  # where no rate is asked
_FRAME_BITS = 1500 * 8
_HEADROOM = 2  # times bandwidth and delay: a full path and as much again in the queue


def limit_packets(impairment: Impairment) -> int:
    """Return the limit asked for, or one that holds twice what the delay keeps in flight.

    netem's 1000 packets are 12 Mbit in flight: with 1 s of delay they cap a flow of 1500 B packets at 12 Mbit/s.
    """
    if impairment.limit_packets is not None:
        return impairment.limit_packets
    delay = impairment.delay or Delay(0)
    longest_ns = delay.delay_ns + 4 * delay.jitter_ns  # the tables end at four times the jitter
    rate_bps = impairment.rate.rate_bps if impairment.rate else _ASSUMED_RATE_BPS
    in_flight = _HEADROOM * longest_ns * rate_bps // (10**9 * _FRAME_BITS)
    return min(DEFAULT_LIMIT_PACKETS + in_flight, MAX_SIZED_LIMIT_PACKETS)


def _state_sums_overflow(loss: Loss | None) -> bool:
    return (
        isinstance(loss, StateLoss)
        and max(fixed_point(loss.p13) + fixed_point(loss.p14), fixed_point(loss.p31) + fixed_point(loss.p32)) >= 2**32
    )


def kernel_obstacles(impairment: Impairment) -> tuple[str, ...]:
    """Return one sentence for each part that `sch_netem` cannot carry out; empty when it can do all of it."""
    ours, delay, rate = impairment.extension, impairment.delay, impairment.rate
    others = (delay, impairment.loss, impairment.reorder, impairment.corrupt)
    correlated = any(getattr(part, "correlation", 0) for part in others)
    checks = (
        (ours.drop_list, "drop-list: netem cannot choose packets by their number."),
        (ours.blackholes, "blackhole: netem has no clock of its own to begin and end by."),
        (ours.keep_order, "keep-order: netem sends in the order of the drawn times, so jitter reorders."),
        (ours.per_segment, "per-segment: netem decides per socket buffer, and a super-packet is one."),
        (ours.true_correlation, "correlation true: netem's generator is biased, see docs/link.md."),
        (ours.trace is not None, "trace: netem knows a rate, not a list of delivery opportunities."),
        (ours.filter is not None, "filter: netem impairs whatever is queued to it."),
        (rate and rate.rate_bps % 8, "rate: netem counts whole bytes a second, and this is no multiple of 8 bit/s."),
        (
            _state_sums_overflow(impairment.loss),
            "loss state: the ways out of a state add to more than 100%, and the kernel's 32-bit sum wraps.",
        ),
        (
            impairment.duplicate and impairment.duplicate.correlation and not correlated,
            "duplicate: tc sends its correlation only together with one of delay, loss, reorder or corrupt.",
        ),
    )
    return tuple(sentence for given, sentence in checks if given)


def as_netem(impairment: Impairment) -> Impairment:
    """Return the same in netem's terms: a limit, and no table for the uniform distribution, its draw without one."""
    delay, slot = impairment.delay, impairment.slot
    if delay is not None and delay.distribution == "uniform":
        delay = replace(delay, distribution=None)
    if slot is not None and slot.distribution == "uniform":
        span = (max(0, slot.delay_ns - slot.jitter_ns), slot.delay_ns + slot.jitter_ns)
        slot = Slot(*span, max_packets=slot.max_packets, max_bytes=slot.max_bytes)
    return replace(impairment, delay=delay, slot=slot, limit_packets=limit_packets(impairment))


def tc_words(impairment: Impairment) -> list[str]:
    """Return the words after `netem` for tc: units always given, the limit always explicit."""
    return format_netem(as_netem(impairment))
