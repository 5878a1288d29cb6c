"""The whole comparison: send every row through both engines in one guest VM, keep the samples, then judge them."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.fidelity import tcp
from benchmarks.fidelity.inference import Numbers
from benchmarks.fidelity.judge import Finding, Pair, judge, noise_ms
from benchmarks.fidelity.lab import Lab, lab
from benchmarks.fidelity.rows import ATTEMPTS, ENGINES, ROWS, STALL_MS, Row
from benchmarks.fidelity.sample import Sample, longest_pause_ms
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import Images
from testbed.vm.guest import Guest
from tests.support.guest import guest_image, sidecar_tag

_TCP: Final = "tcp.json"
_FIELDS: Final = ("delays_ms", "copies", "damaged", "left_ms")


def measure(kernel: str, samples: Path, rows: tuple[Row, ...] = ROWS) -> dict[str, str]:
    """Send every row through both engines, keep the samples in a folder, return a description of the guest VM."""
    engine = DockerEngine()
    engine.connect()
    image = guest_image(Images(engine, print), kernel)
    engine.close()
    start_s = time.monotonic()
    with Guest(image) as guest, lab(guest.docker_url, sidecar_tag(image)) as made:
        for number, row in enumerate(rows):
            for name in ENGINES:
                sample, control = undisturbed(made, name, row, number)
                _keep(samples, f"{number}-{name}", sample)
                if control is not None:
                    _keep(samples, f"{number}-{name}-control", control)
            print(f"{number + 1}/{len(rows)} {row.text}: {time.monotonic() - start_s:.0f} s", flush=True)
        facts = guest.facts
    done = tcp.transfer(kernel, samples / "runs")
    (samples / _TCP).write_text(
        json.dumps({name: [asdict(each) for each in each_of] for name, each_of in done.items()})
    )
    return {
        "kernel": facts.kernel,
        "accelerator": facts.accelerator,
        "took": f"{(time.monotonic() - start_s) / 60:.0f} minutes",
    }


def undisturbed(made: Lab, engine: str, row: Row, number: int) -> tuple[Sample, Sample | None]:
    """Send a row, and send it again if the machine stalled."""
    for attempt in range(1, ATTEMPTS + 1):
        sample, control = made.send(engine, row, number)
        pause_ms = longest_pause_ms(sample.left_ms)
        if not {"delays", "overtook"} & {*row.compared} or pause_ms < STALL_MS:
            break
        print(f"{row.text}, {engine}: nothing left for {pause_ms:.0f} ms, attempt {attempt} of {ATTEMPTS}", flush=True)
    return sample, control


def _keep(folder: Path, name: str, sample: Sample) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f"{name}.npz", **{field: getattr(sample, field) for field in _FIELDS})


def _load(folder: Path, name: str) -> Sample:
    with np.load(folder / f"{name}.npz") as file:
        return Sample(*(file[field] for field in _FIELDS))


def noises(samples: Path) -> dict[str, Numbers]:
    """Return what each engine added to the fixed delay, for all rows with a control pair."""
    numbers = [number for number, row in enumerate(ROWS) if "delays" in row.compared]
    return {
        engine: np.concatenate([noise_ms(_load(samples, f"{number}-{engine}-control")) for number in numbers])
        for engine in ENGINES
    }


def judged(samples: Path) -> Iterator[Finding]:
    """Judge the samples in a folder, row by row."""
    for number, row in enumerate(ROWS):
        kernel, user = (_load(samples, f"{number}-{engine}") for engine in ENGINES)
        has_control = "delays" in row.compared
        noise = [noise_ms(_load(samples, f"{number}-{engine}-control")) if has_control else None for engine in ENGINES]
        yield from judge(Pair(row, kernel, user, *noise))
    done = json.loads((samples / _TCP).read_text())
    yield from tcp.judge({name: [tcp.Transfer(**each) for each in done[name]] for name in ENGINES})
