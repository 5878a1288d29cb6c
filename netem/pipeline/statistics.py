"""Statistics of a pipeline: counters per impairment, the delay in the engine, and how late frames left it."""

from dataclasses import asdict, dataclass

from netem.pipeline.lateness import Lateness
from netem.pipeline.packet import Entry

MAX_SAMPLES = 4096  # a percentile of 4096 even samples is within 0.8 percentile points (95 %)


@dataclass(slots=True)
class Counters:
    """Mutable counters that the stages raise; they count packets unless the name says bytes."""

    packets_in: int = 0
    bytes_in: int = 0
    packets_out: int = 0
    exempt: int = 0
    """Not impaired: neighbour discovery, or not matched by the filter."""
    delayed: int = 0
    dropped_loss: int = 0
    dropped_list: int = 0
    dropped_blackhole: int = 0
    dropped_limit: int = 0
    duplicated: int = 0
    corrupted: int = 0
    corruption_skipped: int = 0
    """Drawn for corruption, but skipped: a super-packet, whose checksums the kernel would renew."""
    reordered: int = 0
    ce_marked: int = 0
    queue_packets_max: int = 0


@dataclass(frozen=True, slots=True)
class EngineDelay:
    """Time from push to pop, ns; minimum and maximum exact, percentiles from at most MAX_SAMPLES even samples."""

    packets: int
    min: int
    p50: int
    p99: int
    max: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """A snapshot; `counters` is a copy."""

    counters: Counters
    packets_queued: int
    delay_ns: EngineDelay | None
    """None until the first packet leaves."""
    lateness_ns: Lateness | None
    """None until a packet that waited leaves."""

    def as_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {
            **asdict(self.counters),
            "packets_queued": self.packets_queued,
            "delay_ns": self.delay_ns and asdict(self.delay_ns),
            "lateness_ns": self.lateness_ns and asdict(self.lateness_ns),
        }


def _quantile(ordered: list[int], percent: int) -> int:
    """Return the nearest-rank percentile."""
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


class DelayRecorder:
    """Keep minimum, maximum and an even sample of delays in bounded memory: every n-th, n doubling when full."""

    __slots__ = ("max_ns", "min_ns", "packets", "samples", "stride", "until_next")

    def __init__(self) -> None:
        self.packets = 0
        self.min_ns = 2**63 - 1
        self.max_ns = -(2**63)
        self.samples: list[int] = []
        self.stride = 1
        self.until_next = 1

    def record_batch(self, now_ns: int, entries: list[Entry]) -> None:
        """Record the delay of every entry, all of them sent at `now_ns`."""
        arrived = [entry[1] for entry in entries]
        self.max_ns = max(self.max_ns, now_ns - min(arrived))
        self.min_ns = min(self.min_ns, now_ns - max(arrived))
        self.packets += len(entries)
        index = self.until_next - 1
        while index < len(entries):
            self._keep(now_ns - arrived[index])
            index += self.stride
        self.until_next = index - len(entries) + 1

    def _keep(self, delay_ns: int) -> None:
        self.samples.append(delay_ns)
        if len(self.samples) >= MAX_SAMPLES:
            del self.samples[1::2]
            self.stride *= 2

    def snapshot(self) -> EngineDelay | None:
        """Return the summary so far, None if nothing was recorded."""
        if not self.samples:
            return None
        ordered = sorted(self.samples)
        return EngineDelay(self.packets, self.min_ns, _quantile(ordered, 50), _quantile(ordered, 99), self.max_ns)
