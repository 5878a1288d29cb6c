"""The kernel engine on a kernel that has netem: read-back, changes in place, TCP over it. Run apart, by `-m vm`.

The first tests are a few programs in one container of a guest: starting a program there takes a second.
"""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container

from netem.spec import kernel_obstacles, parse
from testbed.pytest_plugin import CellShown
from testbed.result import Result
from testbed.run.places import Guests
from testbed.vm.store import Image
from tests.integration.test_vm import guests, run_cell, vm_image  # noqa: F401 - fixtures
from tests.support.guest import KERNEL, answer, netem_container, sidecar_tag

# Not the fixtures: the first of them may have to build the guest, and its steps have deadlines of their own.
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
from netem import tc
from netem.errors import SidecarError
from netem.kernel.engine import KernelEngine
from netem.spec import parse
told = []
for text in json.load(open("/given.json")):
    engine = KernelEngine(device="lo", impairment=parse(text), seed=3, reason="")
    said = ""
    try:
        engine.start()
        engine.readback()
    except SidecarError as error:
        said = str(error)
    told.append([text, said])
    engine.close()
print(json.dumps(told))
"""

# Visits every ordered pair: a round trip from each kind to each later one, then on to the next.
CHANGES = """
import json
from netem.errors import SidecarError
from netem.kernel.engine import KernelEngine
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

# A veth pair for each kind; frames are sent into a delay of a second, then the impairment is changed.
SURVIVORS = """
import json, socket, struct, subprocess, time
from netem.kernel.engine import KernelEngine
from netem.spec import parse
kinds, count = json.load(open("/given.json"))
PROTOCOL = 0x88B5
made = []
for number, kind in enumerate(kinds):
    near, far = f"near{number}", f"far{number}"
    subprocess.run(["ip", "link", "add", near, "type", "veth", "peer", "name", far], check=True)
    for name in (near, far):
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
    engine = KernelEngine(device=near, impairment=parse("delay 1s"), seed=3, reason="")
    engine.start()
    out, into = (socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) for _ in range(2))
    out.bind((near, 0))
    into.bind((far, PROTOCOL))
    made.append((engine, out, into))
header = b"\\xff" * 6 + b"\\x02" + bytes(5) + struct.pack("!H", PROTOCOL)
told = []
for (engine, out, into), kind in zip(made, kinds):
    sent_s = time.monotonic()
    for number in range(count):
        out.send(header + bytes([number]) * 50)
    engine.change(parse(kind))
    changed_s = time.monotonic() - sent_s
    into.settimeout(3)
    seen, first_s = [], 0.0
    try:
        while len(seen) < count:
            seen.append(into.recv(100)[-1])
            first_s = first_s or time.monotonic() - sent_s
    except TimeoutError:
        pass
    told.append([kind, seen, round(changed_s, 3), round(first_s, 3)])
    engine.close()
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def container(guests: Guests, vm_image: Image) -> Iterator[Container]:  # noqa: F811
    with netem_container(guests.url(KERNEL), sidecar_tag(vm_image)) as lent:
        assert lent.exec_run(["ip", "link", "set", "lo", "up"]).exit_code == 0
        yield lent


def release(container: Container) -> tuple[int, int]:
    numbers = re.findall(r"\d+", container.exec_run(["uname", "-r"]).output.decode())
    return int(numbers[0]), int(numbers[1])


def test_the_kernel_reads_back_what_was_asked(container: Container) -> None:
    """Every text of the grammar's table, field by field, for the measured netem and for that of the probes."""
    able = [text for text in TEXTS if not kernel_obstacles(parse(text)) and NO_SUCH_TABLE not in text]
    texts = list({parse(text): text for text in able}.values())
    assert len(texts) >= 60
    told: list[tuple[str, str]] = answer(container, READ_BACK, texts)
    assert [text for text, _ in told] == texts
    wrong = {text: said for text, said in told if said}
    if release(container) < (6, 6):  # the first kernel whose netem has a seed; the engine says so instead of hiding it
        seeded = {text for text in texts if parse(text).seed}
        assert seeded
        assert {text for text in wrong if "seed: asked" in wrong[text]} == seeded
        wrong = {text: said for text, said in wrong.items() if text not in seeded}
    assert not wrong, json.dumps(wrong, indent=1)


def test_a_change_leaves_nothing_of_what_was(container: Container) -> None:
    """From every kind of impairment to every other; the engine reads back each and raises when it differs."""
    count, wrong = answer(container, CHANGES, KINDS)
    assert count == len(KINDS) * (len(KINDS) - 1)
    assert not wrong, json.dumps(wrong, indent=1)


def test_what_waits_survives_a_change(container: Container) -> None:
    frames = 20
    told: list[Any] = answer(container, SURVIVORS, [KINDS, frames])
    for kind, seen, changed_s, first_s in told:
        assert sorted(seen) == list(range(frames)), kind
        assert changed_s < 0.9, f"the change to {kind!r} came when the frames had left"
        assert first_s >= 0.99, kind


def passed(shown: CellShown, engine: str) -> Result:
    result = shown.result
    assert result.status == "passed", result.reason
    assert {link.engine for link in result.link.values()} == {engine}
    return result


def test_a_profile_changes_the_kernels_netem(run_cell: Any) -> None:  # noqa: F811
    profile = {
        "client": [
            {"at": "200ms", "netem": "delay 150ms 5ms distribution normal loss 1% ecn"},
            # Late, because a guest may take seconds to start the programs after `ready`.
            {"at": "16s", "ramp": {"from": "delay 2ms", "to": "delay 10ms", "for": "400ms", "every": "100ms"}},
        ]
    }
    slow = {"nodes": 500, "delay": "200ms", "rcvbuf": "8k", "sndbuf": "8k"}
    shown = run_cell(latency="2ms", profile=profile, engine="kernel", **slow)
    passed(shown, "kernel")
    document = json.loads((shown.folder / "client" / "link.json").read_text())
    texts = [change["impairment"] for change in document["changes"]]
    assert texts == [profile["client"][0]["netem"], *(f"delay {ms}ms" for ms in (2, 4, 6, 8, 10))]
    times = [change["monotonic_ns"] / 1e9 for change in document["changes"]]
    assert [after - times[0] for after in times[1:]] == pytest.approx([15.8, 15.9, 16.0, 16.1, 16.2], abs=0.5)
    with (shown.folder / "client" / "sockets.csv").open(newline="") as file:
        rtt_ms = [int(row["rtt"]) / 1000 for row in csv.DictReader(file) if row["rtt"]]
    assert min(rtt_ms) < 100 < max(rtt_ms)


def test_a_link_that_duplicates_is_proven_and_counted_apart(run_cell: Any) -> None:  # noqa: F811
    """Kernels from 2025 on refuse a second netem beside one that duplicates, so the probes share the measured one."""
    shown = run_cell(netem="delay 5ms duplicate 50%", engine="kernel", nodes=20)
    assert passed(shown, "kernel").metrics.bytes_read == 4 + 20 * 1276
    document = json.loads((shown.folder / "client" / "link.json").read_text())
    assert [qdisc["handle"] for qdisc in document["link"]["readback"] if qdisc["kind"] == "netem"] == ["20:"]
    assert all(probe["ok"] for probe in document["verified"]["probes"])
    counted = document["stopped"]["counters"]["link"]
    assert "probes" not in counted
    # 60 probes and their answers went through the same netem; what is counted begins with `ready`.
    assert 0 < counted["measured"]["packets"] < 60
