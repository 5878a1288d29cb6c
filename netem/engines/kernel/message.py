"""Encode a change of a netem qdisc as one rtnetlink message with every attribute, so that no old value persists.

tc cannot do this: its `change` keeps what is not named (correlation, reorder, corrupt, rate, slot), and it has no word
that removes `ecn` or a table. The layout is that of include/uapi/linux/pkt_sched.h.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from netem.spec import Impairment, as_netem, limit_packets
from netem.spec.model import Corrupt, Delay, GilbertElliottLoss, Loss, RandomLoss, Rate, Reorder, Slot, StateLoss
from netem.spec.quantity import fixed_point

_RTM_NEWQDISC, _REQUEST_AND_ACK = 36, 0x05
_TCA_KIND, _TCA_OPTIONS = 1, 2
_CORR, _DELAY_DIST, _REORDER, _CORRUPT, _LOSS, _RATE, _ECN, _RATE64 = 1, 2, 3, 4, 5, 6, 7, 8
_LATENCY64, _JITTER64, _SLOT, _SLOT_DIST, _PRNG_SEED = 10, 11, 12, 13, 14
_LOSS_STATE, _LOSS_GEMODEL = 1, 2
_NESTED = 0x8000
_MAX_U32 = 2**32 - 1
_NO_RATE = Rate(8)

UNIFORM = tuple(range(-8190, 8192, 4))
"""The uniform distribution as a table: it replaces the table of a qdisc, which cannot be removed."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The entries to send for the jitter and for the slots; None keeps those of the qdisc."""

    delay: Sequence[int] | None = None
    slot: Sequence[int] | None = None


def change(ifindex: int, parent: int, handle: int, impairment: Impairment, *, seed: int, tables: Tables) -> bytes:
    """Return the request that applies `impairment` to the netem `handle` below the class `parent`."""
    requested = as_netem(impairment)
    options = _options(requested) + _slot(requested.slot, by_table=tables.slot is not None)
    for kind, table in ((_DELAY_DIST, tables.delay), (_SLOT_DIST, tables.slot)):
        if table is not None:
            options += _attribute(kind, struct.pack(f"={len(table)}h", *table))
    options += _attribute(_PRNG_SEED, struct.pack("=Q", seed))
    body = struct.pack("=BxxxiIII", 0, ifindex, handle, parent, 0)
    body += _attribute(_TCA_KIND, b"netem\0") + _attribute(_TCA_OPTIONS, options)
    return struct.pack("=IHHII", 16 + len(body), _RTM_NEWQDISC, _REQUEST_AND_ACK, 1, 0) + body


def _attribute(kind: int, payload: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def _chance(kind: int, part: Corrupt | Reorder | None) -> bytes:
    numbers = (fixed_point(part.probability), fixed_point(part.correlation)) if part else (0, 0)
    return _attribute(kind, struct.pack("=II", *numbers))


def _options(requested: Impairment) -> bytes:
    delay = requested.delay or Delay(0)
    loss, duplicate = requested.loss, requested.duplicate
    random = loss if isinstance(loss, RandomLoss) else RandomLoss(0.0)
    gap = requested.reorder.gap if requested.reorder and requested.reorder.probability else 0
    copies = fixed_point(duplicate.probability) if duplicate else 0
    # Latency and jitter are zero here and follow in 64 bits, in nanoseconds instead of ticks of 64.
    options = struct.pack("=IIIIII", 0, limit_packets(requested), fixed_point(random.probability), gap, copies, 0)
    parts = (delay, random, duplicate)
    correlations = [fixed_point(part.correlation) if part else 0 for part in parts]
    options += _attribute(_CORR, struct.pack("=III", *correlations))
    options += _chance(_REORDER, requested.reorder) + _chance(_CORRUPT, requested.corrupt)
    options += _loss(loss) + _rate(requested.rate) + _attribute(_ECN, struct.pack("=I", requested.ecn))
    options += _attribute(_LATENCY64, struct.pack("=q", delay.delay_ns))
    return options + _attribute(_JITTER64, struct.pack("=q", delay.jitter_ns))


def _loss(loss: Loss | None) -> bytes:
    """Encode the loss chain; without one netem returns to independent losses."""
    if isinstance(loss, StateLoss):
        chances = (loss.p13, loss.p31, loss.p32, loss.p14, loss.p23)
        chain = _attribute(_LOSS_STATE, struct.pack("=5I", *map(fixed_point, chances)))
    elif isinstance(loss, GilbertElliottLoss):
        survival = _MAX_U32 - fixed_point(loss.bad_loss)
        moves = (fixed_point(loss.to_bad), fixed_point(loss.to_good), survival, fixed_point(loss.good_loss))
        chain = _attribute(_LOSS_GEMODEL, struct.pack("=4I", *moves))
    else:
        return b""
    return _attribute(_LOSS | _NESTED, chain)


def _rate(rate: Rate | None) -> bytes:
    bytes_per_s = rate.rate_bps // 8 if rate else 0
    shape = rate or _NO_RATE
    numbers = (min(bytes_per_s, _MAX_U32), shape.overhead_bytes, shape.cell_bytes, shape.cell_overhead_bytes)
    narrow = _attribute(_RATE, struct.pack("=IiIi", *numbers))
    return narrow if bytes_per_s < _MAX_U32 else narrow + _attribute(_RATE64, struct.pack("=Q", bytes_per_s))


def _slot(slot: Slot | None, *, by_table: bool) -> bytes:
    """Encode the slots; a qdisc with a table for them ignores the minimum and maximum delay."""
    slot = slot or Slot()
    delay_ns, jitter_ns = slot.delay_ns, slot.jitter_ns
    if slot.distribution is None and by_table:
        delay_ns, jitter_ns = (slot.min_ns + slot.max_ns) // 2, (slot.max_ns - slot.min_ns) // 2
    numbers = (slot.min_ns, slot.max_ns, slot.max_packets, slot.max_bytes, delay_ns, jitter_ns)
    return _attribute(_SLOT, struct.pack("=qqiiqq", *numbers))
