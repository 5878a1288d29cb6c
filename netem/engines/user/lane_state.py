"""The state of a lane in C (`c/lane.h`), and how it moves from and to a pipeline.

The numbers of a stage have the same names in its structure as in its export (`netem.pipeline.PortableStage`).
"""

import ctypes
import struct
from collections.abc import Sequence
from typing import Any

from netem.pipeline import LATENESS_BUCKETS, DelayStage, Pipeline, PortableStage, State

MAX_DUE_NS = 2**63 - 2
"""Of c/timing.h: Python's times are unbounded; later ones, 292 years ahead, become this."""
_MAX_SAMPLES = 4096
_MT_WORDS = 624
_GENERATOR = struct.Struct(f"={_MT_WORDS + 1}I")
"""The words and the position of a generator; this is faster than arrays of ctypes."""
_LOSS_THRESHOLDS = 5
_COUNTERS = (
    "packets_in",
    "bytes_in",
    "packets_out",
    "exempt",
    "delayed",
    "dropped_loss",
    "dropped_limit",
    "duplicated",
    "reordered",
    "queue_packets_max",
)
_DELAYS = ("packets", "min_ns", "max_ns", "stride", "until_next")


class _Draws(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_int64),
        ("weight", ctypes.c_uint64),
        ("correlation", ctypes.c_double),
        ("last", ctypes.c_uint64),
        ("rng", ctypes.c_uint32 * (_MT_WORDS + 1)),
    )


class _Duplicate(ctypes.Structure):
    _anonymous_ = ("draws",)
    _fields_ = (("on", ctypes.c_int64), ("threshold", ctypes.c_uint64), ("draws", _Draws))


class _Loss(ctypes.Structure):
    _anonymous_ = ("draws",)
    _fields_ = (
        ("on", ctypes.c_int64),
        ("model", ctypes.c_int64),
        ("thresholds", ctypes.c_uint64 * _LOSS_THRESHOLDS),
        ("state", ctypes.c_int64),
        ("draws", _Draws),
    )


class _Reorder(ctypes.Structure):
    _anonymous_ = ("draws",)
    _fields_ = (
        ("on", ctypes.c_int64),
        ("gap", ctypes.c_int64),
        ("delayed", ctypes.c_int64),
        ("threshold", ctypes.c_uint64),
        ("draws", _Draws),
    )


class _Delay(ctypes.Structure):
    _anonymous_ = ("draws",)
    _fields_ = (
        ("on", ctypes.c_int64),
        ("delay_ns", ctypes.c_int64),
        ("jitter_ns", ctypes.c_int64),
        ("offsets", ctypes.POINTER(ctypes.c_int64)),
        ("offset_count", ctypes.c_int64),
        ("draws", _Draws),
    )


class _Rate(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_int64) for name in ("on", "rate_bps", "overhead_bytes", "cell_bytes", "cell_overhead_bytes")
    )


class _KeepOrder(ctypes.Structure):
    _fields_ = (("on", ctypes.c_int64), ("last_due_ns", ctypes.c_int64))


class _Limit(ctypes.Structure):
    _fields_ = (("on", ctypes.c_int64), ("limit_packets", ctypes.c_int64))


_STAGES = {
    "limit": _Limit,
    "duplicate": _Duplicate,
    "loss": _Loss,
    "reorder": _Reorder,
    "delay": _Delay,
    "rate": _Rate,
    "keep-order": _KeepOrder,
}
"""In the order of `struct stages`."""


class CLaneState(ctypes.Structure):
    """Mirror `struct lane_state` of c/lane.h."""

    _fields_ = (
        ("exempts_nd", ctypes.c_int64),
        *_STAGES.items(),
        *((name, ctypes.c_int64) for name in _COUNTERS),
        *((f"delay_{name}", ctypes.c_int64) for name in (*_DELAYS, "sample_count")),
        ("samples", ctypes.c_int64 * _MAX_SAMPLES),
        ("lateness_max_ns", ctypes.c_int64),
        ("lateness_buckets", ctypes.c_int64 * LATENESS_BUCKETS),
    )


class LaneState:
    """The state of one lane."""

    def __init__(self, c_state: CLaneState) -> None:
        self._c = c_state
        self._offsets: Sequence[int] | None = None
        self._c_offsets: ctypes.Array[ctypes.c_int64] | None = None
        """The memory that the lane reads them from."""

    def load_stages(self, pipeline: Pipeline) -> None:
        """Copy the stages of a pipeline whose impairment is portable."""
        state, stages = self._c, pipeline.portable_stages
        state.exempts_nd = pipeline.exempts_nd
        for name in _STAGES:
            _load_stage(getattr(state, name), stages.get(name))
        delay = stages.get("delay")
        self._load_offsets(delay.offsets if isinstance(delay, DelayStage) else None)

    def sync_stages(self, pipeline: Pipeline) -> None:
        """Copy the state of the stages back."""
        stages = pipeline.portable_stages
        for name in _STAGES:
            if name in stages:
                stages[name].import_state(_numbers(getattr(self._c, name)))

    def _load_offsets(self, offsets: Sequence[int] | None) -> None:
        if offsets is not self._offsets:
            self._offsets = offsets
            self._c_offsets = None if offsets is None else (ctypes.c_int64 * len(offsets))(*offsets)
        self._c.delay.offsets = self._c_offsets
        self._c.delay.offset_count = 0 if offsets is None else len(offsets)

    def load_statistics(self, pipeline: Pipeline) -> None:
        """Copy the statistics of a pipeline."""
        state, delays = self._c, pipeline.delays
        for name in _COUNTERS:
            setattr(state, name, getattr(pipeline.counters, name))
        for name in _DELAYS:
            setattr(state, f"delay_{name}", getattr(delays, name))
        state.delay_sample_count = len(delays.samples)
        state.samples[: len(delays.samples)] = delays.samples
        state.lateness_max_ns = pipeline.lateness.max_ns
        state.lateness_buckets[:] = pipeline.lateness.buckets

    def sync_statistics(self, pipeline: Pipeline) -> None:
        """Copy the statistics back."""
        state, delays = self._c, pipeline.delays
        for name in _COUNTERS:
            setattr(pipeline.counters, name, getattr(state, name))
        for name in _DELAYS:
            setattr(delays, name, getattr(state, f"delay_{name}"))
        delays.samples[:] = state.samples[: state.delay_sample_count]
        pipeline.lateness.max_ns = state.lateness_max_ns
        pipeline.lateness.buckets[:] = memoryview(state.lateness_buckets).cast("B").cast("q").tolist()


def _load_stage(structure: Any, stage: PortableStage | None) -> None:  # noqa: ANN401 - any of the structures above
    structure.on = stage is not None
    if stage is not None:
        for name, value in stage.export_state().items():
            if name == "rng":
                _GENERATOR.pack_into(structure.rng, 0, *value)
            else:
                setattr(structure, name, value if isinstance(value, tuple) else min(value, MAX_DUE_NS))


def _numbers(structure: Any) -> State:  # noqa: ANN401 - any of the structures above
    """Return all fields, those of the draws included."""
    found: State = {}
    for name, _ in structure._fields_:
        value = getattr(structure, name)
        if name == "rng":
            found[name] = _GENERATOR.unpack(value)
        elif isinstance(value, ctypes.Structure):
            found |= _numbers(value)
        else:
            found[name] = value
    return found
