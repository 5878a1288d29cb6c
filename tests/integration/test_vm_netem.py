"""The kernel engine on a kernel that has netem: read-back, changes in place, TCP over it. Run separately, with `-m vm`.

The first tests are a few programs in one container of a guest: starting a program there takes a second.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container

from netem.spec import kernel_obstacles, parse
from testbed.analysis.join.cell_folder import PORT
from testbed.analysis.join.samples import Samples, read_samples
from testbed.pytest_plugin import CellShown
from testbed.result import Result
from testbed.run.machines import Guests
from testbed.vm.store import GuestImage
from tests.integration.test_vm import guests, run_cell, vm_image  # noqa: F401 - fixtures
from tests.support.guest import KERNEL, netem_container, run_program, sidecar_tag

# Not the fixtures: the first may build the guest VM, and its steps have their own deadlines.
pytestmark = [pytest.mark.vm, pytest.mark.timeout(600, func_only=True)]

GRAMMAR = Path(__file__).resolve().parents[1] / "vectors" / "netem" / "grammar.tsv"
TEXTS = [
    row[2]
    for row in (line.split("\t") for line in GRAMMAR.read_text().splitlines() if not line.startswith("#"))
    if row[1] == "yes"
]
NO_SUCH_TABLE = "nosuchtable"
KINDS = [
    "",
    "delay 10ms 2ms 25%",
    "delay 10ms 2ms distribution normal",
    "loss 1% 25%",
    "loss state 1% 50%",
    "loss gemodel 1% 25%",
    "loss 2% ecn",
    "delay 1ms duplicate 1% 5%",
    "corrupt 1% 3%",
    "delay 10ms reorder 25% 50% gap 5",
    "rate 1mbit 20 100 5",
    "slot 1ms 4ms packets 3 bytes 4000",
    "slot distribution normal 10ms 1ms",
    "limit 7 delay 5s rate 40gbit nd",
]

READ_BACK = """
import json, time
from netem.system import tc
from netem.contract.errors import SidecarError
from netem.engines.kernel.engine import KernelEngine
from netem.spec import parse
answers = []
for text in json.load(open("/given.json")):
    engine = KernelEngine(device="lo", impairment=parse(text), seed=3, reason="")
    message = ""
    try:
        engine.start()
        engine.readback()
    except SidecarError as error:
        message = str(error)
    answers.append([text, message])
    engine.close()
print(json.dumps(answers))
"""

# Spins until RLIMIT_RTTIME ends it: without a bound it would spin for ever, and the test's deadline would end it.
FIFO = """
import json, os
from pathlib import Path
from netem.engines.user.datapath import LIBRARY
from netem.engines.user.overrun import guard_overruns
from netem.system import capabilities
from netem.system.scheduling import obtain
os.sched_setaffinity(0, {0})
found = obtain("auto", lambda: guard_overruns(LIBRARY))
obtained = str(found)
while str(found) == obtained:
    pass
policy = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
print(json.dumps([obtained, str(found), policy, capabilities.holds(capabilities.SYS_NICE)]))
"""

# Visits every ordered pair: a round trip from each kind to each later one, then on to the next.
CHANGES = """
import json
from netem.contract.errors import SidecarError
from netem.engines.kernel.engine import KernelEngine
from netem.spec import parse
kinds = json.load(open("/given.json"))
engine = KernelEngine(device="lo", impairment=parse(kinds[0]), seed=3, reason="")
engine.start()
walk = [kinds[0]]
for number, kind in enumerate(kinds):
    for other in kinds[number + 1:]:
        walk += [other, kind]
    walk += kinds[number + 1:number + 2]
wrong = []
for before, after in zip(walk, walk[1:]):
    try:
        engine.change(parse(after))
    except SidecarError as error:
        wrong.append([before, after, str(error)])
engine.close()
print(json.dumps([len(set(zip(walk, walk[1:]))), wrong]))
"""

# A veth pair for each kind: frames enter a long delay, then the impairment changes. They are counted after all
# changes, by the receive times of the kernel.
SURVIVORS = """
import json, socket, struct, subprocess, time
from netem.engines.kernel.engine import KernelEngine
from netem.spec import parse
kinds, count, delay_s = json.load(open("/given.json"))
PROTOCOL, SO_TIMESTAMPNS = 0x88B5, 35
pairs = [(f"near{number}", f"far{number}") for number in range(len(kinds))]
links = [f"link add {near} type veth peer name {far}" for near, far in pairs]
links += [f"link set {name} up" for pair in pairs for name in pair]
subprocess.run(["ip", "-batch", "-"], input="\\n".join(links), text=True, check=True)
made = []
for near, far in pairs:
    engine = KernelEngine(device=near, impairment=parse(f"delay {delay_s}s"), seed=3, reason="")
    engine.start()
    out, into = (socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) for _ in range(2))
    into.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    out.bind((near, 0))
    into.bind((far, PROTOCOL))
    made.append((engine, out, into))
header = b"\\xff" * 6 + b"\\x02" + bytes(5) + struct.pack("!H", PROTOCOL)
spans = []
for (engine, out, _), kind in zip(made, kinds):
    sent_ns = time.time_ns()
    for number in range(count):
        out.send(header + bytes([number]) * 50)
    engine.change(parse(kind))
    spans.append((sent_ns, time.time_ns()))
answers = []
for (engine, _, into), kind, (sent_ns, changed_ns) in zip(made, kinds, spans):
    into.settimeout(3 * delay_s)
    received, came_ns = [], []
    try:
        while len(received) < count:
            frame, notes, _, _ = into.recvmsg(100, 100)
            received.append(frame[-1])
            came_ns.append(struct.unpack("@ll", notes[0][2]))
    except TimeoutError:
        pass
    first_ns = min((s * 10**9 + ns for s, ns in came_ns), default=sent_ns)
    answers.append([kind, received, (changed_ns - sent_ns) / 1e9, (first_ns - sent_ns) / 1e9])
    engine.close()
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def container(guests: Guests, vm_image: GuestImage) -> Iterator[Container]:  # noqa: F811
    with netem_container(guests.url(KERNEL), sidecar_tag(vm_image)) as lent:
        assert lent.exec_run(["ip", "link", "set", "lo", "up"]).exit_code == 0
        yield lent


def test_fifo_where_deadline_is_refused_and_its_bound(container: Container) -> None:
    """A distribution's kernel gives every control group real time; a task confined to a processor gets no deadline."""
    obtained, spinning, policy, held = run_program(container, FIFO, None)
    assert obtained == "fifo 10"
    assert spinning == "ordinary: 200 ms without a pause under fifo 10"
    assert policy == os.SCHED_OTHER
    assert held is False


def release(container: Container) -> tuple[int, int]:
    numbers = re.findall(r"\d+", container.exec_run(["uname", "-r"]).output.decode())
    return int(numbers[0]), int(numbers[1])


def test_the_kernel_reads_back_the_request(container: Container) -> None:
    """Every text of the grammar's table, field by field, for the measured netem and for that of the probes."""
    able = [text for text in TEXTS if not kernel_obstacles(parse(text)) and NO_SUCH_TABLE not in text]
    texts = list({parse(text): text for text in able}.values())
    assert len(texts) >= 60
    answers: list[tuple[str, str]] = run_program(container, READ_BACK, texts)
    assert [text for text, _ in answers] == texts
    wrong = {text: message for text, message in answers if message}
    if release(container) < (6, 6):  # the first kernel whose netem has a seed; the engine reports a missing one
        seeded = {text for text in texts if parse(text).seed}
        assert seeded
        assert {text for text in wrong if "seed: requested" in wrong[text]} == seeded
        wrong = {text: message for text, message in wrong.items() if text not in seeded}
    assert not wrong, json.dumps(wrong, indent=1)


def test_a_change_replaces_everything(container: Container) -> None:
    """From every kind of impairment to every other; the engine reads back each and raises when it differs."""
    count, wrong = run_program(container, CHANGES, KINDS)
    assert count == len(KINDS) * (len(KINDS) - 1)
    assert not wrong, json.dumps(wrong, indent=1)


def test_queued_frames_survive_a_change(container: Container) -> None:
    frames, delay_s = 20, 5
    answers: list[Any] = run_program(container, SURVIVORS, [KINDS, frames, delay_s])
    assert [kind for kind, *_ in answers] == KINDS
    for kind, received, changed_s, first_s in answers:
        assert sorted(received) == list(range(frames)), kind
        assert changed_s < delay_s, f"the change to {kind!r} came when the frames had left"
        assert first_s >= delay_s, kind


def passed(shown: CellShown, engine: str) -> Result:
    result = shown.result
    assert result.status == "passed", result.reason
    assert {link.engine for link in result.link.values()} == {engine}
    return result


def test_a_profile_changes_the_kernels_netem(run_cell: Any) -> None:  # noqa: F811
    profile = {
        "client": [
            {"at": "200ms", "netem": "delay 150ms 5ms distribution normal loss 1% ecn"},
            # Late, because a guest VM may need seconds to start the programs after `ready`.
            {"at": "16s", "ramp": {"from": "delay 2ms", "to": "delay 10ms", "for": "400ms", "every": "100ms"}},
        ]
    }
    slow = {"nodes": 500, "delay": "200ms", "rcvbuf": "8k", "sndbuf": "8k"}
    shown = run_cell(latency="2ms", profile=profile, engine="kernel", **slow)
    passed(shown, "kernel")
    folder = shown.folder / "client"
    changes = json.loads((folder / "link.json").read_text())["changes"]
    texts = [change["impairment"] for change in changes]
    assert texts == [profile["client"][0]["netem"], *(f"delay {ms}ms" for ms in (2, 4, 6, 8, 10))]
    events = [json.loads(line) for line in (folder / "netem.jsonl").read_text().splitlines()]
    ready_ns = next(event["monotonic_ns"] for event in events if event["event"] == "ready")
    came_s = [(change["monotonic_ns"] - ready_ns) / 1e9 for change in changes]
    assert all(there >= due for there, due in zip(came_s, [0.2, 16, 16.1, 16.2, 16.3, 16.4], strict=True)), came_s
    assert came_s == sorted(came_s)
    _follows(read_samples(folder / "sockets.csv", PORT), changes[0]["monotonic_ns"], changes[-1]["monotonic_ns"])


def _follows(samples: Samples | None, slow_ns: int, fast_ns: int) -> None:
    """Check the round-trip times; a guest VM that starts the programs late has none before the ramp."""
    assert samples is not None
    settled_ns = 2 * 10**9
    at_ns, rtt_ms = samples.at_ns, samples.column("rtt") / 1000
    before = rtt_ms[(at_ns > slow_ns + settled_ns) & (at_ns < fast_ns) & (rtt_ms > 0)]
    after = rtt_ms[(at_ns > fast_ns + settled_ns) & (rtt_ms > 0)]
    assert len(before) or len(after)
    assert min(before, default=150) > 100
    assert min(after, default=10) < 100


def test_a_link_that_duplicates_is_proven_and_counted_apart(run_cell: Any) -> None:  # noqa: F811
    """Kernels since 2025 reject a second netem next to one that duplicates, so the probes share the measured one."""
    shown = run_cell(netem="delay 5ms duplicate 50%", engine="kernel", nodes=20)
    assert passed(shown, "kernel").metrics.bytes_read == 4 + 20 * 1276
    document = json.loads((shown.folder / "client" / "link.json").read_text())
    assert [qdisc["handle"] for qdisc in document["link"]["readback"] if qdisc["kind"] == "netem"] == ["20:"]
    probes = document["verified"]["probes"]
    assert probes
    assert all(probe["ok"] for probe in probes)
    counted = document["stopped"]["counters"]["link"]
    assert "probes" not in counted
    # 60 probes and their answers went through the same netem; counters start at `ready`.
    assert 0 < counted["measured"]["packets"] < 60
