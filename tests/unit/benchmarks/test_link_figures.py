from itertools import product
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bench_link, bench_paths, bench_punctual
from benchmarks.generated import put
from benchmarks.link_figures import BEGIN, DOCUMENT, generated, main, number
from benchmarks.link_lab import FAMILIES
from testbed.errors import InputError

MACHINE = {"cpus": 2, "kernel": "6.18.44-a-b", "python": "3.11.2"}


def names() -> list[str]:
    """Return the names of the figures that the tables need."""
    delays = (None, *bench_punctual.DELAYS_MS)
    punctual = [
        bench_punctual.name_of(what, case.name, delay_ms, family, build)
        for what, case, delay_ms, family, build in product(
            ("p50", "p99"), bench_punctual.CASES, delays, FAMILIES, ("now", "before")
        )
    ]
    bulk = [
        f"bulk TCP, {what}, {control}, {family}, {bench_link.flows_of(flows)}"
        for what, control, family, flows in product(
            ("raw bridge", "engine / raw"), bench_link.CONTROLS, FAMILIES, bench_link.FLOWS
        )
    ]
    impaired = [
        f"bulk TCP, {text}, {bench_link.flows_of(flows)}"
        for text, counts in bench_link.IMPAIRED.items()
        for flows in counts
    ]
    columns = (*bench_paths.PATHS.values(), bench_paths.RATIO)
    sizes = [f"{size}{what}" for size in bench_paths.SIZES for what in ("", ", frames", ", rate")]
    cpu = [f"CPU time per frame, {mode}" for mode in ("user", "kernel")]
    rows = (*sizes, f"TCP, {bench_paths.TCP_FLOWS} flows", *cpu)
    cost = [
        f"{what}, {each}"
        for what in ("idle sidecar", "sidecar at 1 Gbit/s")
        for each in ("share of a core", "memory of its own")
    ]
    paths = [bench_paths.name_of(*each) for each in product(rows, columns)]
    return [*punctual, *bulk, *impaired, *paths, *cost, "100-byte datagrams, delay 10ms"]


def document(**changed: float) -> dict[str, Any]:
    figures = [{"name": name, "value": 1.5, "unit": ""} for name in names()]
    figures += [{"name": name, "value": value, "unit": ""} for name, value in changed.items()]
    return {"machine": MACHINE, "figures": figures}


def test_the_page_has_the_marks() -> None:
    assert "new tables" in put(DOCUMENT.read_text(), BEGIN, "new tables")


def test_every_table_is_complete() -> None:
    text = generated(document())
    assert text.startswith("Measured on 2 processors, Linux 6.18.\n")
    tables = [table.splitlines() for table in text.split("\n\n")[1:]]
    assert [len(table) - 2 for table in tables] == [16, 4, 4, 4, 3]
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
    assert "| quiet, IPv4 | 1.5 / 1.5 | 1.5 / 1.5 | 1.5 / 1.5 | 1.5 / 1.5 |" in text
    assert "| 4 busy loops, IPv6, build before |  | 1.5 / 1.5 | 1.5 / 1.5 | 1.5 / 1.5 |" in text
    assert "| cubic, IPv6 | 1.5 Gbit/s | 1.50 | 1.5 Gbit/s | 1.50 |" in text
    assert "| `rate 1gbit` |  | 1.5 Gbit/s |" in text
    assert "| CPU time per datagram, user and kernel | 1.5 us and 1.5 us | 1.5 us and 1.5 us |  |" in text


@pytest.mark.parametrize("name", [names()[0], names()[-1]])
def test_a_missing_figure_is_named(name: str) -> None:
    given = document()
    given["figures"] = [figure for figure in given["figures"] if figure["name"] != name]
    with pytest.raises(InputError, match=name):
        generated(given)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read"),
        ("{", "is not JSON"),
        ("[]", "is not the document of a run"),
        ('{"machine": {"cpus": 2, "kernel": "6"}, "figures": [{"name": "x"}]}', "is not the document of a run"),
        ('{"machine": {}, "figures": []}', "is not the document of a run"),
        ('{"machine": {"cpus": 2, "kernel": "6"}, "figures": []}', "the run has no figure"),
    ],
)
def test_a_wrong_file_is_refused_with_a_hint(
    text: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SystemExit) as ended:
        main(["--from", str(file)])
    assert ended.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert message in last
    assert "benchmarks.run --json" in last


def test_the_engines_own_lateness_is_optional() -> None:
    late = {f"engine late, all cases, {what}": value for what, value in (("p50", 0.01), ("p99", 0.2), ("max", 3.0))}
    assert "| 0.01 ms / 0.2 ms / 3 ms |" in generated(document(**late))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.0234, "0.023"), (1.449, "1.4"), (28.3, "28"), (161_234, "161 234"), (-0.0031, "-0.0031")],
)
def test_numbers_have_two_significant_digits(value: float, text: str) -> None:
    assert number(value) == text
