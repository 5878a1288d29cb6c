"""The data path in C against its reference, the pipeline: compile it, and feed both the same arrivals."""

import struct
import subprocess
from pathlib import Path
from random import Random

from netem.engines.user.datapath import DataPath
from netem.engines.user.devices import VNET_HEADER_BYTES
from netem.pipeline import Pipeline, Resources, is_portable
from netem.spec import Impairment, SpecError, parse
from tests.support.frames import ETHERNET, ipv4, ipv6, numbered

SOURCES = Path(__file__).resolve().parents[2] / "netem" / "engines" / "user" / "c"
_WARN = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow", "-Wstrict-prototypes")
_FLAGS = ("-std=c11", *_WARN, "-fPIC", "-shared")
_RESOURCES = Resources(tables={"mine": (-30_000, -9000, 0, 5, 700, 32_767)}, traces={"mine": (1, 3, 3, 7)})
_PROBABILITIES = ("0%", "0.1%", "3%", "20%", "70%", "100%")
_DISTRIBUTIONS = ("", "distribution uniform", "distribution normal", "distribution paretonormal", "distribution mine")
_ONLY_IN_PYTHON = (
    "corrupt 30%",
    "drop-list 2,5-9,40-50",
    "blackhole 5ms 5ms",
    "slot 1ms 3ms packets 3",
    "filter family ipv4",
    "trace mine",
    "loss 30% 20% ecn",
)


def build(folder: Path, *flags: str) -> Path:
    """Compile the library into `folder`."""
    library = folder / "libdatapath.so"
    subprocess.run(["cc", *_FLAGS, *flags, "-o", library, *sorted(SOURCES.glob("*.c"))], check=True)
    return library


def a_frame(rng: Random, number: int) -> bytes:
    """Return a random frame with its virtio header; all kinds that the lane must distinguish occur."""
    nd = bytes([rng.choice((132, 133, 135, 137, 138))]) + bytes(rng.randrange(30))
    tags = b"".join(rng.choice((b"\x81\0", b"\x88\xa8")) + b"\0\5" for _ in range(rng.randrange(3)))
    tail = rng.choice((b"\x08\x06", ipv6(nd, protocol=58)[12:], ipv4(nd)[12:])) + number.to_bytes(4, "big")
    frame = rng.choice((numbered(number), ipv6(nd, protocol=58), ETHERNET + tags + tail, rng.randbytes(90)))
    frame += bytes(rng.choice((0, 0, 3, 2000, 60_000)))
    header = struct.pack(
        "=BBHHHH", 0, rng.choice((0, 1, 4, 5, 0x81)), 0, rng.choice((0, 9, 1448)), rng.randrange(99), 0
    )
    cut = rng.randrange(len(frame)) if rng.random() < 0.1 else len(frame)
    return rng.choice((bytes(VNET_HEADER_BYTES), header)) + frame[:cut]


def _loss(rng: Random) -> str:
    def share() -> str:
        return rng.choice(_PROBABILITIES)

    return rng.choice(
        (
            f"loss {share()}",
            f"loss {share()} {share()}",
            f"loss state {share()} {share()} {share()} {share()} {share()}",
            f"loss gemodel {share()} {share()} {share()} {share()}",
        )
    )


def _words(rng: Random) -> list[str]:
    """Return parts of an impairment; together they may contradict each other."""

    def share() -> str:
        return rng.choice(_PROBABILITIES)

    delay, jitter = (rng.choice(("0ms", "1us", "900us", "2ms", "9ms", "40ms")) for _ in range(2))
    rate = rng.choice(("8bit", "100kbit", "1mbit", "30mbit", "1gbit", "9000000tbit"))
    parts = (
        f"limit {rng.choice((0, 1, 3, 5, 20))}",
        f"delay {delay}",
        f"delay {delay} {jitter} {share()} {rng.choice(_DISTRIBUTIONS)}",
        _loss(rng),
        f"duplicate {share()} {share()}",
        f"reorder {share()} {share()} gap {rng.choice((1, 2, 5))} delay 3ms 1ms",
        f"rate {rate} {rng.choice((-20, 0, 14))} {rng.choice((0, 48))} 5",
        "keep-order",
        "correlation true",
        "nd",
        f"seed {rng.choice((1, 2))}",
    )
    return [part for part in parts if rng.random() < 0.35]


def random_impairment(rng: Random) -> Impairment:
    """Return an impairment; some need the pipeline."""
    while True:
        words = _words(rng)
        if rng.random() < 0.15:
            words.append(rng.choice(_ONLY_IN_PYTHON))
        try:
            return parse(" ".join(words))
        except SpecError:
            continue


class Both:
    """A reference pipeline, and a second one that the data path in C replaces while it is loaded."""

    def __init__(self, path: DataPath, impairment: Impairment) -> None:
        self.path = path
        self.reference, self.pipeline = (
            Pipeline(impairment, 1, frame_start=VNET_HEADER_BYTES, resources=_RESOURCES) for _ in range(2)
        )
        self.impairment = impairment
        self.loaded = False

    def push(self, frame: bytes, now_ns: int) -> None:
        self.reference.push(frame, now_ns)
        if self.loaded:
            self.path.push(0, frame, now_ns)
        else:
            self.pipeline.push(frame, now_ns)

    def pop(self, now_ns: int) -> int:
        """Compare the frames due and the next due time; return the number of frames."""
        expected = self.reference.pop_due(now_ns)
        assert (self.path.pop_due(0, now_ns) if self.loaded else self.pipeline.pop_due(now_ns)) == expected
        next_ns = self.path.next_due_ns(0) if self.loaded else self.pipeline.next_due_ns()
        assert next_ns == self.reference.next_due_ns()
        return len(expected)

    def check(self) -> None:
        """Compare the statistics; before a pop the longest queue may not have been counted yet."""
        reference = self.reference.stats()
        if self.loaded:
            self.path.sync_statistics(0, self.pipeline)
            assert self.path.queued(0) == reference.packets_queued
        else:
            assert self.pipeline.stats().packets_queued == reference.packets_queued
        found = self.pipeline.stats()
        assert found.counters == reference.counters
        assert (found.delay_ns, found.lateness_ns) == (reference.delay_ns, reference.lateness_ns)
        assert self.pipeline.lateness.buckets == self.reference.lateness.buckets

    def load(self) -> None:
        if is_portable(self.impairment):
            self.path.load(0, self.pipeline)
            self.loaded = True

    def unload(self) -> None:
        if self.loaded:
            self.path.unload(0, self.pipeline)
            self.loaded = False

    def change(self, impairment: Impairment, now_ns: int) -> None:
        if not is_portable(impairment):
            self.unload()
        self.impairment = impairment
        self.reference.change(impairment, now_ns)
        if self.loaded:
            self.path.change(0, self.pipeline, lambda: self.pipeline.change(impairment, now_ns))
        else:
            self.pipeline.change(impairment, now_ns)

    def restart(self) -> None:
        for each in (self.reference, self.pipeline):
            each.restart()
        if self.loaded:
            self.load()

    def act(self, action: str, now_ns: int, seed: int) -> None:
        """Push or pop a frame, change the impairment, restart, or change the data path."""
        if action == "push":
            self.push(a_frame(Random(seed), seed), now_ns)
        elif action == "pop":
            self.pop(now_ns)
            self.check()
        elif action == "change":
            self.change(random_impairment(Random(seed)), now_ns)
        elif action == "restart":
            self.restart()
        elif self.loaded:
            self.unload()
        else:
            self.load()


def compare(path: DataPath, rng: Random, steps: int = 1200, *, text: str | None = None, may_change: bool = True) -> int:
    """Send the same random traffic through both, with changes; return how many frames left."""
    both = Both(path, random_impairment(rng) if text is None else parse(text))
    frames = Random(rng.getrandbits(32))
    now_ns, left = 10**12, 0
    both.load()
    for number in range(steps):
        now_ns += rng.choice((0, 0, 1000, 200_000, 900_000))
        both.push(a_frame(frames, number), now_ns)
        if may_change and rng.random() < 0.08:
            both.act(rng.choice(("change", "change", "restart", "move", "move")), now_ns, rng.getrandbits(32))
        if rng.random() < 0.7:
            left += both.pop(now_ns)
            if rng.random() < 0.1:
                both.check()
    left += both.pop(now_ns + 10**9)
    both.check()
    both.unload()
    left += both.pop(2**62)
    both.check()
    return left
