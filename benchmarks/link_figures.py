"""Write the tables of docs/link.md from a run: python -m benchmarks.link_figures [--from FILE].

Without a file it runs the benchmarks `link`, `paths` and `punctual` first. FILE is what `benchmarks.run --json` printed
for these three. The tables stand between marks; the rest of the page is written by hand.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import bench_link, bench_paths, bench_punctual
from benchmarks.generated import begin_of, put
from benchmarks.link_lab import FAMILIES
from benchmarks.revision import revision_before
from benchmarks.run import load, machine, refuse
from testbed.errors import InputError

DOCUMENT: Final = Path(__file__).resolve().parents[1] / "docs" / "link.md"
BEGIN: Final = begin_of("benchmarks.link_figures")
BENCHMARKS: Final = ("link", "paths", "punctual")
HINT: Final = f"write it with `python -m benchmarks.run --json {' '.join(BENCHMARKS)} >FILE`"

Value = Callable[[str], float]
"""Returns the value of a figure by its name."""


def generated(document: Mapping[str, Any]) -> str:
    """Return the tables in Markdown from what `benchmarks.run --json` printed.

    Raises InputError if a figure is missing.
    """
    values = {figure["name"]: float(figure["value"]) for figure in document["figures"]}

    def value(name: str) -> float:
        if name not in values:
            raise InputError([f"the run has no figure {name!r}"], hint=HINT)
        return values[name]

    facts = document["machine"]
    kernel = re.match(r"\d+\.\d+", str(facts["kernel"]))
    lines = [f"Measured on {facts['cpus']} processors, Linux {kernel[0] if kernel else facts['kernel']}.", ""]
    for part in (_delays, _bulk, _impaired, _paths):
        lines += [*part(value), ""]
    return "\n".join([*lines, *_others(value, values)])


def _table(*rows: Sequence[str]) -> list[str]:
    """Return a table; the first row is its head."""
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]


def number(value: float) -> str:
    """Return a value with two significant digits, from a hundred on as a whole number in groups of three."""
    if abs(value) >= 100:
        return f"{value:,.0f}".replace(",", " ")
    text = f"{value:.2g}"
    return f"{float(text):g}"


def _delays(value: Value) -> list[str]:
    delays: tuple[int | None, ...] = (None, *bench_punctual.DELAYS_MS)
    head = ["error of the delay in ms, p50 / p99", "no engine", *(f"{each} ms" for each in delays[1:])]
    rows = [head]
    for case in bench_punctual.CASES:
        for family, written in FAMILIES.items():
            for build in ("now", "before"):
                cells = [
                    "" if each is None and build == "before" else _error(value, case.name, each, family, build)
                    for each in delays
                ]
                rows.append([f"{case.name}, {written}{', build before' if build == 'before' else ''}", *cells])
    return _table(*rows)


def _error(value: Value, case: str, delay_ms: int | None, family: str, build: str) -> str:
    names = (bench_punctual.name_of(what, case, delay_ms, family, build) for what in ("p50", "p99"))
    return " / ".join(number(value(name)) for name in names)


def _bulk(value: Value) -> list[str]:
    counts = [bench_link.flows_of(flows) for flows in bench_link.FLOWS]
    head = ["bulk TCP", *(text for flows in counts for text in (f"raw bridge, {flows}", "engine / raw"))]
    rows = [head]
    for control in bench_link.CONTROLS:
        for family, written in FAMILIES.items():
            cells = []
            for flows in counts:
                label = f"{control}, {family}, {flows}"
                cells += [f"{number(value(f'bulk TCP, raw bridge, {label}'))} Gbit/s"]
                cells += [f"{value(f'bulk TCP, engine / raw, {label}'):.2f}"]
            rows.append([f"{control}, {written}", *cells])
    return _table(*rows)


def _impaired(value: Value) -> list[str]:
    counts = bench_link.FLOWS
    rows: list[list[str]] = [["bulk TCP, cubic, IPv4", *map(bench_link.flows_of, counts)]]
    for text, measured in bench_link.IMPAIRED.items():
        cells = [
            f"{number(value(f'bulk TCP, {text}, {bench_link.flows_of(flows)}'))} Gbit/s" if flows in measured else ""
            for flows in counts
        ]
        rows.append([f"`{text}`", *cells])
    return _table(*rows)


def _paths(value: Value) -> list[str]:
    def of(what: str, path: str) -> float:
        return value(bench_paths.name_of(what, path))

    paths = tuple(bench_paths.PATHS.values())
    rows: list[list[str]] = [[f"`{bench_paths.TEXT}`", *paths, bench_paths.RATIO]]
    for size in bench_paths.SIZES:
        cells = [
            f"{number(of(f'{size}, frames', path))} per second, {number(of(f'{size}, rate', path))} Gbit/s"
            for path in paths
        ]
        rows.append([size, *cells, number(of(size, bench_paths.RATIO))])
    tcp = f"TCP, {bench_paths.TCP_FLOWS} flows"
    rates = [f"{number(of(tcp, path))} Gbit/s" for path in paths]
    rows.append([tcp, *rates, number(of(tcp, bench_paths.RATIO))])
    user, kernel = (f"CPU time per frame, {mode}" for mode in ("user", "kernel"))
    both = [f"{number(of(user, path))} us and {number(of(kernel, path))} us" for path in paths]
    rows.append(["CPU time per datagram, user and kernel", *both, ""])
    return _table(*rows)


def _others(value: Value, values: Mapping[str, float]) -> Iterator[str]:
    idle = f"{number(value('idle sidecar, share of a core'))} % of a core"
    busy = f"{number(value('sidecar at 1 Gbit/s, share of a core'))} % of a core"
    rows = [
        ["what", "figure"],
        ["datagrams of 100 bytes, `delay 10ms`", f"{number(value('100-byte datagrams, delay 10ms'))} per second"],
        ["sidecar, idle", f"{idle}, {number(value('idle sidecar, memory of its own'))} MB"],
        [
            "sidecar, `delay 10ms` at 1 Gbit/s, with capture",
            f"{busy}, {number(value('sidecar at 1 Gbit/s, memory of its own'))} MB",
        ],
    ]
    late = [values.get(f"engine late, all cases, {what}") for what in ("p50", "p99", "max")]
    known = [f"{number(each)} ms" for each in late if each is not None]
    if len(known) == len(late):
        rows.append(
            ["lateness that the engine counted in all cases of the first table, p50 / p99 / max", " / ".join(known)]
        )
    yield from _table(*rows)


def read(file: Path) -> dict[str, Any]:
    """Return what `benchmarks.run --json` printed into a file; raise InputError if that is something else."""
    try:
        document: dict[str, Any] = json.loads(file.read_text())
    except OSError as error:
        raise InputError([f"cannot read {file}: {error.strerror}"], hint=HINT) from error
    except ValueError as error:
        raise InputError([f"{file} is not JSON: {error}"], hint=HINT) from error
    try:
        complete = {"cpus", "kernel"} <= {*document["machine"]}
        for figure in document["figures"]:
            _ = str(figure["name"]), float(figure["value"])
    except (KeyError, TypeError, ValueError):
        complete = False
    if not complete:
        raise InputError([f"{file} is not the document of a run"], hint=HINT)
    return document


def _measure() -> dict[str, Any]:
    """Run the benchmarks; return what `benchmarks.run --json` would print."""
    revision_before()  # now, because `punctual` is the last
    figures = []
    for name in BENCHMARKS:
        for figure in load(name)():
            figures.append(figure.record())
            print(figure, file=sys.stderr, flush=True)
    return {"machine": machine(), "figures": figures}


def main(argv: Sequence[str] | None = None) -> int:
    """Write the tables; run the benchmarks first unless there is a file."""
    parser = argparse.ArgumentParser(prog="link_figures", description="Write the tables of docs/link.md.")
    parser.add_argument("--from", dest="file", type=Path, help="what `benchmarks.run --json` printed")
    file: Path | None = parser.parse_args(argv).file
    try:
        tables = generated(_measure() if file is None else read(file))
    except InputError as error:
        refuse(parser, error)
    DOCUMENT.write_text(put(DOCUMENT.read_text(), BEGIN, tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
