"""The data path in C against the pipeline, and its loop with socket pairs for the TAPs and the packet socket."""

import ctypes
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from netem.contract.errors import SidecarError
from netem.engines.user.datapath import DataPath
from netem.engines.user.devices import MAX_FRAME_BYTES, VNET_HEADER_BYTES
from netem.engines.user.lane_state import MAX_DUE_NS
from netem.pipeline import Pipeline, is_portable
from netem.spec import format_impairment, parse
from tests.support.datapath import Both, build, compare, random_impairment
from tests.support.datapath_bench import Bench
from tests.support.effort import many
from tests.support.frames import numbered

GRAMMAR = Path(__file__).resolve().parents[4] / "vectors" / "netem" / "grammar.tsv"
FRAME = bytes(VNET_HEADER_BYTES) + numbered(1)
ROOT = Path(__file__).resolve().parents[5]
STEPS = st.tuples(
    st.sampled_from([0, 0, 1000, 200_000, 900_000]),
    st.sampled_from(["push"] * 12 + ["pop"] * 4 + ["change", "move", "restart"]),
    st.integers(0, 2**32 - 1),
)
"""A pause, what happens, and the seed of a frame or an impairment."""
SANITIZE = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SANITIZED = """
import sys
from pathlib import Path
from random import Random
from tests.support.datapath import compare
from tests.support.datapath_bench import Bench
for seed in range(98, 105):
    bench = Bench(Path(sys.argv[1]))
    assert compare(bench.path, Random(seed)) > 100
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


@pytest.fixture
def bench(library: Path) -> Iterator[Bench]:
    made = Bench(library)
    yield made
    made.close()


@pytest.mark.parametrize("seed", range(10))
def test_same_arrivals_same_result_as_in_the_pipeline(bench: Bench, seed: int) -> None:
    assert compare(bench.path, Random(seed)) > 100


@settings(max_examples=many(50), deadline=None)
@given(st.integers(0, 2**32), st.lists(STEPS, max_size=80))
def test_any_impairment_and_change_gives_the_same_in_both_data_paths(
    library: Path, seed: int, steps: list[tuple[int, str, int]]
) -> None:
    bench = Bench(library)
    both = Both(bench.path, random_impairment(Random(seed)))
    both.load()
    now_ns = 10**12
    for pause_ns, action, choice in steps:
        now_ns += pause_ns
        note(f"{now_ns}: {action} {format_impairment(both.impairment)}")
        both.act(action, now_ns, choice)
    both.act("pop", now_ns, 0)
    both.unload()
    both.act("pop", 2**62, 0)
    bench.close()


def test_the_generator_is_that_of_python(library: Path) -> None:
    loaded, rng = ctypes.CDLL(str(library)), Random(5)
    loaded.mt_bits.restype, loaded.mt_uniform.restype = ctypes.c_uint32, ctypes.c_double
    for draws in (0, 1, 623, 624):
        [rng.random() for _ in range(draws)]
        words = (ctypes.c_uint32 * 625)(*rng.getstate()[1])
        for _ in range(1000):
            assert loaded.mt_bits(words) == rng.getrandbits(32)
            assert loaded.mt_uniform(words) == rng.random()
        assert tuple(words) == rng.getstate()[1]


@pytest.mark.parametrize(
    "text",
    [
        "delay 9ms 8ms loss 20% duplicate 10% limit 1000",
        "delay 9ms 2ms distribution mine loss gemodel 1% 10% 90% 1% reorder 10% gap 3 nd",
        "delay 9ms 2ms 30% distribution normal loss 30% 40% duplicate 20% 10%",
        "delay 9ms 2ms 30% distribution normal loss 30% 40% reorder 20% 10% correlation true",
        "delay 9ms 1ms limit 3 duplicate 30%",
        "loss state 3% 30% 10% 40% 2% rate 100mbit 14 48 5 delay 1ms 5ms keep-order",
    ],
)
def test_thousands_of_draws_are_the_same(bench: Bench, text: str) -> None:
    """So many that the generators refill their words several times."""
    assert compare(bench.path, Random(1), steps=2000, text=text, may_change=False) > 250


def test_the_texts_of_the_grammar_give_the_same(bench: Bench) -> None:
    rows = [line.split("\t") for line in GRAMMAR.read_text().splitlines() if not line.startswith("#")]
    texts = [text for _, ours, text, *_ in rows if ours == "yes" and "nosuchtable" not in text]
    portable = [text for text in texts if is_portable(parse(text))]
    assert len(portable) > 50
    for text in portable:
        compare(bench.path, Random(1), steps=100, text=text, may_change=False)


@pytest.mark.parametrize(
    "text", ["delay 9223372036854775807ns", "delay 9223372036854775807ns 1s", "rate 8bit 2147483647 1 2147483647"]
)
def test_a_time_beyond_64_bits_is_the_latest(bench: Bench, text: str) -> None:
    bench.load(text)
    for _ in range(3):
        bench.path.push(0, FRAME, MAX_DUE_NS - 10**9)
        assert bench.path.pop_due(0, MAX_DUE_NS - 1) == []
    assert bench.path.next_due_ns(0) == MAX_DUE_NS
    assert len(bench.path.pop_due(0, MAX_DUE_NS)) == 3


def test_a_time_beyond_64_bits_of_the_pipeline_becomes_the_latest(bench: Bench) -> None:
    pipeline = Pipeline(parse("delay 9223372036854775807ns 1s keep-order"), frame_start=VNET_HEADER_BYTES)
    pipeline.push(FRAME, 10**12)
    bench.path.load(0, pipeline)
    assert bench.path.next_due_ns(0) == MAX_DUE_NS
    bench.path.unload(0, pipeline)
    assert pipeline.next_due_ns() == MAX_DUE_NS


@pytest.mark.parametrize("text", ["delay 3ms reorder {}%", "loss {}%", "duplicate {}%"])
def test_what_cannot_happen_takes_no_draws(bench: Bench, text: str) -> None:
    both = Both(bench.path, parse(text.format(0)))
    both.load()
    for number in range(400):
        if number == 200:
            both.change(parse(text.format(50)), number)
        both.act("push", number, number)
        both.act("pop", number, 0)


def test_what_is_ready_moves_as_ready(bench: Bench) -> None:
    pipeline = Pipeline(parse("delay 5ms reorder 50%"), frame_start=VNET_HEADER_BYTES)
    for number in range(9):
        pipeline.push(bytes(VNET_HEADER_BYTES) + numbered(number), 7)
    bench.path.load(0, pipeline)
    assert bench.path.next_due_ns(0) == 7
    assert bench.path.queued(0) == 9
    bench.path.unload(0, pipeline)
    assert pipeline.next_due_ns() == 7
    assert 0 < len(pipeline.pop_due(7)) == pipeline.stats().counters.reordered < 9


def test_samples_of_many_delays_are_thinned_alike(bench: Bench) -> None:
    reference, synced = (Pipeline(parse("delay 1ms"), frame_start=VNET_HEADER_BYTES) for _ in range(2))
    bench.load("delay 1ms")
    for number in range(20_000):
        now_ns = number * 300_000 + number % 7
        reference.push(FRAME, now_ns)
        bench.path.push(0, FRAME, now_ns)
        assert len(bench.path.pop_due(0, now_ns)) == len(reference.pop_due(now_ns))
    bench.path.sync_statistics(0, synced)
    assert synced.stats().delay_ns == reference.stats().delay_ns
    assert synced.delays.samples == reference.delays.samples


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


def test_a_frame_that_is_not_due_waits(bench: Bench) -> None:
    bench.load("delay 3600s")
    bench.kernel.send(bytes(60))
    bench.run_once()
    assert bench.path.queued(0) == 1
    assert bench.path.next_due_ns(0) is not None
    assert bench.sent() == []


def test_the_timer_sends_a_frame_when_it_is_due(bench: Bench) -> None:
    bench.load("delay 30ms")
    due_ns = time.monotonic_ns() + 30_000_000
    bench.kernel.send(bytes(60))
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
