"""Impairments as frozen values: nanoseconds, bits per second, packets, probabilities from 0 to 1.

The parts have the names of tc-netem(8). `Extension` has the parts that netem does not support. The checks here apply to
every impairment, parsed or built in code; the parser adds only the position in the text.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from netem.spec.errors import SpecError
from netem.spec.quantity import fixed_point, format_rate, format_time

MAX_TIME_NS = 2**63 - 1  # s64 in TCA_NETEM_LATENCY64
MAX_U32 = 2**32 - 1
MAX_S32 = 2**31 - 1
MAX_U64 = 2**64 - 1
MAX_JITTER_NS = MAX_S32  # sch_netem silently clips a larger value
_MIN_PROBABILITY_HINT = "write 0%, or 2.4e-8% (one in 2^32) or more"

Family = Literal["ipv4", "ipv6"]


def _check_range(token: str, value: int, low: int, high: int, show: Callable[[int], str] = str) -> None:
    if not low <= value <= high:
        raise SpecError(f"{show(value)} is outside {show(low)}..{show(high)}", word=token)


def _bytes(count: int) -> str:
    return f"{count} bytes"


def _packets(count: int) -> str:
    return f"{count} packets"


def _check_probabilities(token: str, *values: float) -> None:
    for value in values:
        if not 0.0 <= value <= 1.0:
            raise SpecError(f"{value * 100:g}% is not a probability", word=token, hint="write 0% to 100%")
        if value and not fixed_point(value):
            raise SpecError(f"{value * 100:g}% is too small: it would become 0", word=token, hint=_MIN_PROBABILITY_HINT)


@dataclass(frozen=True, slots=True)
class Delay:
    """Hold every packet for `delay_ns`, plus or minus `jitter_ns`."""

    delay_ns: int
    jitter_ns: int = 0
    correlation: float = 0.0
    distribution: str | None = None
    """`uniform`, `normal`, `pareto`, `paretonormal` or the name of a table; None is netem's own uniform draw."""

    def __post_init__(self) -> None:
        _check_range("delay", self.delay_ns, 0, MAX_TIME_NS, format_time)
        _check_range("delay", self.jitter_ns, 0, MAX_JITTER_NS, format_time)
        _check_probabilities("delay", self.correlation)
        if self.distribution is not None and not (self.delay_ns and self.jitter_ns):
            raise SpecError(
                "a distribution requires a delay and a jitter above zero",
                word="distribution",
                hint="write delay TIME JITTER distribution NAME",
            )


@dataclass(frozen=True, slots=True)
class RandomLoss:
    """Lose each packet with `probability`."""

    probability: float
    correlation: float = 0.0

    def __post_init__(self) -> None:
        _check_probabilities("loss", self.probability, self.correlation)


@dataclass(frozen=True, slots=True)
class StateLoss:
    """Lose packets by the four-state Markov chain of Salsano, Ludovici and Ordine (tc: `loss state`)."""

    p13: float
    p31: float
    p32: float = 0.0
    p23: float = 1.0
    p14: float = 0.0

    def __post_init__(self) -> None:
        _check_probabilities("loss", self.p13, self.p31, self.p32, self.p23, self.p14)


@dataclass(frozen=True, slots=True)
class GilbertElliottLoss:
    """Lose packets by the two-state Gilbert-Elliott chain (tc: `loss gemodel P R 1-H 1-K`)."""

    to_bad: float
    to_good: float
    bad_loss: float = 1.0
    good_loss: float = 0.0

    def __post_init__(self) -> None:
        _check_probabilities("loss", self.to_bad, self.to_good, self.bad_loss, self.good_loss)


Loss = RandomLoss | StateLoss | GilbertElliottLoss


@dataclass(frozen=True, slots=True)
class Corrupt:
    """Flip one bit of a packet with `probability`."""

    probability: float
    correlation: float = 0.0

    def __post_init__(self) -> None:
        _check_probabilities("corrupt", self.probability, self.correlation)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Send a packet twice with `probability`."""

    probability: float
    correlation: float = 0.0

    def __post_init__(self) -> None:
        _check_probabilities("duplicate", self.probability, self.correlation)


@dataclass(frozen=True, slots=True)
class Reorder:
    """Send a packet at once, ahead of the delayed ones, with `probability`, after at least `gap` - 1 delayed ones."""

    probability: float
    correlation: float = 0.0
    gap: int = 1

    def __post_init__(self) -> None:
        _check_probabilities("reorder", self.probability, self.correlation)
        _check_range("gap", self.gap, 1, MAX_U32)


@dataclass(frozen=True, slots=True)
class Rate:
    """Send each packet at `rate_bps`."""

    rate_bps: int
    overhead_bytes: int = 0
    cell_bytes: int = 0
    cell_overhead_bytes: int = 0

    def __post_init__(self) -> None:
        _check_range("rate", self.rate_bps, 8, MAX_TIME_NS, format_rate)  # netem counts whole bytes per second
        _check_range("rate", self.overhead_bytes, -MAX_S32 - 1, MAX_S32, _bytes)
        _check_range("rate", self.cell_bytes, 0, MAX_U32, _bytes)
        _check_range("rate", self.cell_overhead_bytes, -MAX_S32 - 1, MAX_S32, _bytes)
        if self.cell_bytes and self.cell_bytes + self.cell_overhead_bytes <= 0:
            raise SpecError("a cell must have more than 0 bytes", word="rate", hint="give the cell a positive size")


@dataclass(frozen=True, slots=True)
class Slot:
    """Send only in slots that open between `min_ns` and `max_ns` apart, or as `distribution` draws them."""

    min_ns: int = 0
    max_ns: int = 0
    distribution: str | None = None
    delay_ns: int = 0
    jitter_ns: int = 0
    max_packets: int = 0
    """0 means unlimited."""
    max_bytes: int = 0
    """0 means unlimited."""

    def __post_init__(self) -> None:
        _check_range("slot", self.min_ns, 0, MAX_TIME_NS, format_time)
        _check_range("slot", self.max_ns, 0, MAX_TIME_NS, format_time)
        _check_range("slot", self.delay_ns, 0, MAX_TIME_NS, format_time)
        _check_range("slot", self.jitter_ns, 0, MAX_JITTER_NS, format_time)
        _check_range("slot", self.max_packets, 0, MAX_S32, _packets)
        _check_range("slot", self.max_bytes, 0, MAX_S32, _bytes)
        if self.max_ns < self.min_ns:
            raise SpecError("MAX is less than MIN", word="slot", hint="write slot MIN MAX")
        if self.distribution is not None and not self.jitter_ns:
            raise SpecError(
                "a slot distribution requires a jitter above zero",
                word="slot",
                hint="write slot distribution NAME DELAY JITTER",
            )
        if self.distribution is not None and (self.min_ns or self.max_ns):
            raise SpecError("a slot has either MIN and MAX or a distribution", word="slot")
        if self.distribution is None and (self.delay_ns or self.jitter_ns):
            raise SpecError("slot delay and jitter require a distribution", word="slot")


@dataclass(frozen=True, slots=True)
class Blackhole:
    """Drop every packet for `duration_ns`, from `start_ns` after the first packet that meets the impairment."""

    start_ns: int
    duration_ns: int

    def __post_init__(self) -> None:
        _check_range("blackhole", self.start_ns, 0, MAX_TIME_NS, format_time)
        _check_range("blackhole", self.duration_ns, 1, MAX_TIME_NS, format_time)


@dataclass(frozen=True, slots=True)
class Filter:
    """Impair only packets that match all fields given; `port` is the source or destination port."""

    family: Family | None = None
    protocol: str | None = None
    """`tcp`, `udp`, `icmp` (of either family) or a protocol number as text."""
    port: int | None = None

    def __post_init__(self) -> None:
        if self.family is None and self.protocol is None and self.port is None:
            raise SpecError("the filter is empty", word="filter", hint="add family, protocol or port")
        if self.family not in (None, "ipv4", "ipv6"):
            raise SpecError(f"no family {self.family!r}", word="filter", hint="write ipv4 or ipv6")
        if self.port is not None:
            _check_range("filter", self.port, 1, 65535)
            if self.protocol not in (None, "tcp", "udp"):
                raise SpecError("only TCP and UDP have ports", word="filter", hint="write protocol tcp or udp")
        known = self.protocol in (None, "tcp", "udp", "icmp")
        if not known and not (str(self.protocol).isdecimal() and str(int(str(self.protocol))) == self.protocol):
            raise SpecError(f"no protocol {self.protocol!r}", word="filter", hint="write tcp, udp, icmp or a number")
        if not known:
            _check_range("filter", int(str(self.protocol)), 0, 255)


@dataclass(frozen=True, slots=True)
class Extension:
    """Extensions that netem does not support; only the user engine applies them."""

    drop_list: tuple[tuple[int, int], ...] = ()
    """Inclusive ranges of packet numbers, ascending and disjoint; the first packet that meets the impairment is 1."""
    blackholes: tuple[Blackhole, ...] = ()
    keep_order: bool = False
    per_segment: bool = False
    true_correlation: bool = False
    trace: str | None = None
    """Name of a trace of delivery opportunities, instead of a rate."""
    filter: Filter | None = None
    impair_nd: bool = False

    def __post_init__(self) -> None:
        previous = 0
        for first, last in self.drop_list:
            if first <= previous or last < first:
                raise SpecError(
                    "packet numbers must start at 1 and ascend",
                    word="drop-list",
                    hint="for example drop-list 2,3,7-9",
                )
            previous = last


@dataclass(frozen=True, slots=True)
class Impairment:
    """The impairment of one direction of a link; the empty one impairs nothing."""

    limit_packets: int | None = None
    """Maximum number of queued packets; None selects `netem.spec.kernel.limit_packets`."""
    delay: Delay | None = None
    loss: Loss | None = None
    ecn: bool = False
    corrupt: Corrupt | None = None
    duplicate: Duplicate | None = None
    reorder: Reorder | None = None
    rate: Rate | None = None
    slot: Slot | None = None
    seed: int | None = None
    extension: Extension = field(default_factory=Extension)

    def __post_init__(self) -> None:
        if self.limit_packets is not None:
            _check_range("limit", self.limit_packets, 0, MAX_U32)
        if self.seed is not None:
            _check_range("seed", self.seed, 0, MAX_U64)
        self._check_combinations()

    def _check_combinations(self) -> None:
        reorders = self.reorder is not None and self.reorder.probability > 0
        if reorders and not (self.delay and self.delay.delay_ns):
            raise SpecError("reorder requires a delay", word="reorder", hint="add delay TIME")
        if self.ecn and (self.loss is None or (isinstance(self.loss, RandomLoss) and not self.loss.probability)):
            raise SpecError("ecn requires a loss model", word="ecn", hint="add loss ...")
        if self.extension.keep_order and reorders:
            raise SpecError("reorder and keep-order contradict each other", word="keep-order", hint="drop one")
        if self.extension.trace is not None and self.rate is not None:
            raise SpecError("a trace replaces the rate", word="trace", hint="drop rate or trace")
