"""The data path in C against the pipeline, and its loop with socket pairs for the TAPs and the packet socket."""

import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netem.contract.errors import SidecarError
from netem.engines.user.datapath import DataPath
from netem.engines.user.devices import MAX_FRAME_BYTES, VNET_HEADER_BYTES
from netem.pipeline import Pipeline, fixed_delay
from netem.spec import parse
from tests.support.datapath import build, compare
from tests.support.frames import numbered

ROOT = Path(__file__).resolve().parents[5]
SANITIZE = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SANITIZED = """
import sys
from pathlib import Path
from tests.support.datapath import compare
from tests.unit.netem.engines.user.test_datapath import Bench
for seed in range(98, 105):
    bench = Bench(Path(sys.argv[1]))
    assert compare(bench.path, seed) > 300
    bench.load("")
    bench.kernel.send(bytes(60_000))
    bench.kernel.send(bytes(60))
    bench.run_once()
    assert len(bench.sent()) == 2
    bench.close()
print("clean")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("c"), "-O2")


class Bench:
    def __init__(self, library: Path) -> None:
        self.tap, self.kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.probes, self.prober = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.out, self.wire = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.control, self.supervisor = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for each in (self.tap, self.probes, self.out, self.wire):
            each.setblocking(False)
        taps = (self.tap.fileno(), self.probes.fileno())
        self.path = DataPath(taps, self.out.fileno(), self.control.fileno(), library)
        self.pipeline = Pipeline(parse(""), frame_start=VNET_HEADER_BYTES)
        self.load("")

    def load(self, text: str) -> None:
        fixed = fixed_delay(parse(text))
        assert fixed is not None
        for lane in (0, 1):
            self.path.load(lane, Pipeline(parse(""), frame_start=VNET_HEADER_BYTES), fixed)
        self.path.sync_counters(0, self.pipeline)

    def run_once(self) -> None:
        """Run the loop until it has handled all input, then return for the control message."""
        self.supervisor.send(b"x")
        self.path.run()
        self.control.recv(1)

    def sent(self) -> list[bytes]:
        frames = []
        try:
            while True:
                frames.append(self.wire.recv(MAX_FRAME_BYTES))
        except BlockingIOError:
            return frames

    def close(self) -> None:
        self.path.close()
        for one in (
            self.tap,
            self.kernel,
            self.probes,
            self.prober,
            self.out,
            self.wire,
            self.control,
            self.supervisor,
        ):
            one.close()


@pytest.fixture
def bench(library: Path) -> Iterator[Bench]:
    made = Bench(library)
    yield made
    made.close()


@pytest.mark.parametrize("seed", range(14))
def test_same_arrivals_same_result_as_in_the_pipeline(bench: Bench, seed: int) -> None:
    assert compare(bench.path, seed) > 300


def test_samples_of_many_delays_are_thinned_alike(bench: Bench) -> None:
    reference = Pipeline(parse("delay 1ms"), frame_start=VNET_HEADER_BYTES)
    bench.load("delay 1ms")
    frame = bytes(VNET_HEADER_BYTES) + numbered(1)
    for number in range(20_000):
        now_ns = number * 300_000 + number % 7
        reference.push(frame, now_ns)
        bench.path.push(0, frame, now_ns)
        assert len(bench.path.pop_due(0, now_ns)) == len(reference.pop_due(now_ns))
    bench.path.sync_counters(0, bench.pipeline)
    assert bench.pipeline.stats().delay_ns == reference.stats().delay_ns
    assert bench.pipeline.delays.samples == reference.delays.samples


def test_nothing_is_out_of_bounds_or_undefined(tmp_path: Path) -> None:
    library = build(tmp_path, *SANITIZE)
    runtimes = [
        subprocess.run(["cc", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = os.environ | {
        "LD_PRELOAD": ":".join(runtimes),
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
        "PYTHONMALLOC": "malloc",
    }
    command = [sys.executable, "-c", SANITIZED, str(library)]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "clean\n"), ended.stderr


def test_frames_of_both_lanes_leave_in_order_whatever_their_size(bench: Bench) -> None:
    frames = [bytes([number]) * size for number, size in enumerate((60, 2048, 2049, 60_000, 14))]
    for frame in frames:
        bench.kernel.send(frame)
    bench.run_once()
    assert bench.sent() == frames
    bench.prober.send(b"probe")
    bench.run_once()
    assert bench.sent() == [b"probe"]


def test_the_timer_sends_a_frame_when_it_is_due(bench: Bench) -> None:
    bench.load("delay 30ms")
    bench.kernel.send(bytes(60))
    bench.run_once()
    assert bench.path.queued(0) == 1
    assert bench.sent() == []
    due_ns = bench.path.next_due_ns(0)
    assert due_ns is not None
    pid = os.fork()
    if not pid:  # ends the run once the frame has come
        bench.wire.setblocking(True)
        bench.wire.recv(100)
        late = time.monotonic_ns() >= due_ns
        bench.supervisor.send(b"y" if late else b"n")
        os._exit(0)
    bench.path.run()
    os.waitpid(pid, 0)
    assert bench.control.recv(1) == b"y"
    assert bench.path.queued(0) == 0


def test_a_frame_that_the_device_cannot_accept_now_waits_in_order(bench: Bench) -> None:
    frames = [bytes([number]) * 50_000 for number in range(16)]
    for frame in frames:
        bench.kernel.send(frame)
        bench.run_once()
    arrived = bench.sent()
    assert 0 < len(arrived) < len(frames)
    bench.run_once()
    arrived += bench.sent()
    assert arrived + bench.path.pop_unsent() == frames


def test_a_frame_that_the_device_rejects_is_counted(bench: Bench) -> None:
    bench.wire.close()
    bench.kernel.send(bytes(60))
    bench.run_once()
    assert bench.path.tx_rejected == 1
    assert bench.path.pop_unsent() == []


def test_a_frame_too_long_is_an_error(bench: Bench) -> None:
    with pytest.raises(OSError, match="memory"):
        bench.path.push(0, bytes(MAX_FRAME_BYTES + 1), 0)


def test_a_library_that_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(SidecarError, match="open the data path"):
        DataPath((0, 0), 0, 0, tmp_path / "none.so")


@pytest.fixture
def few_descriptors() -> Iterator[Callable[[int], None]]:
    """Return a function that leaves the process only a few free descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def leave(free: int) -> None:
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + free, hard))

    yield leave
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("free", [0, 1])
def test_the_reason_is_that_of_the_call_that_failed(
    bench: Bench, library: Path, few_descriptors: Callable[[int], None], free: int
) -> None:
    """With no descriptor left the timer fails, with one left epoll does; the clean-up must not hide the reason."""
    taps = (bench.tap.fileno(), bench.probes.fileno())
    few_descriptors(free)
    with pytest.raises(SidecarError, match="Too many open files"):
        DataPath(taps, bench.out.fileno(), bench.control.fileno(), library)


def test_the_first_reason_counts(bench: Bench, library: Path, tmp_path: Path) -> None:
    """A regular file cannot be watched (EPERM); that the next descriptor is none (EBADF) comes later."""
    with (tmp_path / "file").open("w") as file, pytest.raises(SidecarError, match="Operation not permitted"):
        DataPath((file.fileno(), -1), bench.out.fileno(), bench.control.fileno(), library)
