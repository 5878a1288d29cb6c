"""The tc words for the kernel engine, and what it does not support: checked before anything starts."""

from dataclasses import replace

from netem.spec.format import format_netem
from netem.spec.model import Delay, Impairment, Loss, Slot, StateLoss
from netem.spec.quantity import fixed_point

DEFAULT_LIMIT_PACKETS = 1000  # netem's own (`q_netem.c`)
MAX_SIZED_LIMIT_PACKETS = 100_000  # of 1500 B: 150 MB; an unlimited queue could exhaust memory
_ASSUMED_RATE_BPS = 10**9  # if no rate is requested
_FRAME_BITS = 1500 * 8
_HEADROOM = 2  # times the bandwidth-delay product: a full path and the same again in the queue


def limit_packets(impairment: Impairment) -> int:
    """Return the requested limit, or one of twice the bandwidth-delay product.

    netem's default of 1000 packets is 12 Mbit in flight: a delay of 1 s limits a flow of 1500 B packets to 12 Mbit/s.
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
    """Return one sentence for each part that `sch_netem` does not support; empty if it supports everything."""
    extension, delay, rate = impairment.extension, impairment.delay, impairment.rate
    others = (delay, impairment.loss, impairment.reorder, impairment.corrupt)
    correlated = any(getattr(part, "correlation", 0) for part in others)
    checks = (
        (extension.drop_list, "drop-list: netem cannot select packets by number."),
        (extension.blackholes, "blackhole: netem has no schedule."),
        (extension.keep_order, "keep-order: netem sends packets by their drawn times, so jitter reorders."),
        (extension.per_segment, "per-segment: netem decides per socket buffer, and a super-packet is one."),
        (extension.true_correlation, "correlation true: netem's generator is biased, see docs/link.md."),
        (extension.trace is not None, "trace: netem supports a rate, not a list of delivery opportunities."),
        (extension.filter is not None, "filter: netem impairs every packet queued to it."),
        (
            rate and rate.rate_bps % 8,
            "rate: netem counts whole bytes per second, and this is no multiple of 8 bit/s.",
        ),
        (
            _state_sums_overflow(impairment.loss),
            "loss state: the transitions out of a state exceed 100%, and the kernel's 32-bit sum overflows.",
        ),
        (
            impairment.duplicate and impairment.duplicate.correlation and not correlated,
            "duplicate: tc sends its correlation only together with that of delay, loss, reorder or corrupt.",
        ),
    )
    return tuple(sentence for unsupported, sentence in checks if unsupported)


def as_netem(impairment: Impairment) -> Impairment:
    """Return the same impairment as netem expects it: with a limit, and without a name for the uniform distribution."""
    delay, slot = impairment.delay, impairment.slot
    if delay is not None and delay.distribution == "uniform":
        delay = replace(delay, distribution=None)
    if slot is not None and slot.distribution == "uniform":
        span = (max(0, slot.delay_ns - slot.jitter_ns), slot.delay_ns + slot.jitter_ns)
        slot = Slot(*span, max_packets=slot.max_packets, max_bytes=slot.max_bytes)
    return replace(impairment, delay=delay, slot=slot, limit_packets=limit_packets(impairment))


def tc_words(impairment: Impairment) -> list[str]:
    """Return the words after `netem` for tc: always with units and an explicit limit."""
    return format_netem(as_netem(impairment))
