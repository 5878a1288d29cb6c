"""The data path in C against its reference, the pipeline: compile it, and feed both the same arrivals."""

import struct
import subprocess
from pathlib import Path
from random import Random

from netem.engines.user.datapath import DataPath
from netem.engines.user.devices import VNET_HEADER_BYTES
from netem.pipeline import Pipeline, fixed_delay
from netem.spec import parse
from tests.support.frames import ETHERNET, ipv4, ipv6, numbered

SOURCES = Path(__file__).resolve().parents[2] / "netem" / "engines" / "user" / "c"
_WARN = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow", "-Wstrict-prototypes")
_FLAGS = ("-std=c11", *_WARN, "-fPIC", "-shared")
_TEXTS = (
    "",
    "delay 2ms",
    "delay 9ms limit 5",
    "delay 50us nd",
    "limit 0",
    "delay 1s",
    "delay 3ms limit 2",
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


class Both:
    """A reference pipeline, and a second one that the data path in C replaces while it is loaded."""

    def __init__(self, path: DataPath, text: str) -> None:
        self.path = path
        self.reference = Pipeline(parse(text), 1, frame_start=VNET_HEADER_BYTES)
        self.pipeline = Pipeline(parse(text), 1, frame_start=VNET_HEADER_BYTES)
        self.text = text
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
        if self.loaded:
            self.path.sync_counters(0, self.pipeline)
            assert self.path.queued(0) == self.reference.stats().packets_queued
        else:
            assert self.pipeline.stats().packets_queued == self.reference.stats().packets_queued
        assert self.pipeline.stats().counters == self.reference.stats().counters
        assert self.pipeline.stats().delay_ns == self.reference.stats().delay_ns
        assert self.pipeline.stats().lateness_ns == self.reference.stats().lateness_ns
        assert self.pipeline.lateness.buckets == self.reference.lateness.buckets

    def load(self) -> None:
        fixed = fixed_delay(parse(self.text))
        assert fixed is not None
        self.path.load(0, self.pipeline, fixed)
        self.loaded = True

    def unload(self) -> None:
        self.path.sync_counters(0, self.pipeline)
        self.path.unload(0, self.pipeline)
        self.loaded = False

    def change(self, text: str, now_ns: int) -> None:
        self.text = text
        if self.loaded:
            self.path.sync_counters(0, self.pipeline)
        for each in (self.reference, self.pipeline):
            each.change(parse(text), now_ns)
        if self.loaded:
            self.load()

    def restart(self) -> None:
        if self.loaded:
            self.path.sync_counters(0, self.pipeline)
        for each in (self.reference, self.pipeline):
            each.restart()
        if self.loaded:
            self.load()


def compare(path: DataPath, seed: int, steps: int = 2000) -> int:
    """Send the same random traffic through both, with changes; return how many frames left."""
    rng = Random(seed)
    both = Both(path, _TEXTS[seed % len(_TEXTS)])
    now_ns, left = 10**12, 0
    both.load()
    for number in range(steps):
        now_ns += rng.choice((0, 1000, 200_000, 900_000))
        both.push(a_frame(rng, number), now_ns)
        left += both.pop(now_ns)
        chance = rng.random()
        if chance < 0.01:
            both.change(rng.choice(_TEXTS), now_ns)
        elif chance < 0.015:
            both.restart()
        elif chance < 0.03:
            both.unload() if both.loaded else both.load()
        both.check()
    left += both.pop(now_ns + 10**9)
    both.check()
    if both.loaded:
        both.unload()
    return left
