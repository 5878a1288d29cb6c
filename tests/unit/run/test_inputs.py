from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from testbed.run.inputs import Inputs, source_digest
from testbed.run.preparation import PreparedImages
from testbed.scenario.expand import PlannedCell, expand
from testbed.stack.ports import Image

HOST: dict[str, Any] = {
    "engine": {"Version": "29"},
    "kernel": "6.1",
    "sysctls": {"net.ipv4.tcp_sack": "1"},
    "versions": {"testbed": "1"},
}
FILES = {"two.dist": b"1", "slow": b"4\n", "other": b"5\n"}


def planned(**fields: object) -> PlannedCell:
    return next(iter(expand(fields)))


def digest_of(
    cell: PlannedCell,
    *,
    netem: str = "n1",
    server: str = "s1",
    files: Mapping[str, bytes] = FILES,
    host: Mapping[str, Any] = HOST,
    source: str = "s",
    guest: Mapping[str, Any] | None = None,
) -> str:
    programs = {"py client": ("client", Image("c1")), "py server": ("server", Image(server))}
    images = PreparedImages(("netem", Image(netem)), programs, files)
    return Inputs(images, files, host, lambda _kernel: guest, source).of(cell)


def test_equal_inputs_have_equal_digests() -> None:
    assert digest_of(planned(chunk="1k")) == digest_of(planned(chunk=1024))
    elsewhere = {**HOST, "machine": "other", "started": "later"}
    assert digest_of(planned(), host=elsewhere) == digest_of(planned())


@pytest.mark.parametrize(
    "other",
    [
        {"netem": "n2"},
        {"server": "s2"},
        {"source": "t"},
        *({"host": HOST | {name: "another"}} for name in ("engine", "kernel", "sysctls")),
        {"host": HOST | {"versions": {"testbed": "2"}}},
    ],
)
def test_whatever_may_change_a_result_changes_the_digest(other: dict[str, Any]) -> None:
    assert digest_of(planned(), **other) != digest_of(planned())


def test_the_fields_of_a_cell_change_its_digest() -> None:
    cells = [planned(), planned(chunk="1k"), planned(latency="1ms"), planned(family="ipv6"), planned(seed=2)]
    assert len({digest_of(cell) for cell in cells}) == len(cells)


@pytest.mark.parametrize(
    ("netem", "affecting"),
    [("delay 20ms 10ms distribution two", {"two.dist"}), ("trace slow", {"slow"}), ("delay 1ms", set())],
)
def test_only_the_files_that_a_link_names_count(netem: str, affecting: set[str]) -> None:
    cell = planned(netem_client=netem)
    before = digest_of(cell)
    changed = {name for name in FILES if digest_of(cell, files=FILES | {name: b"6\n"}) != before}
    assert changed == affecting


def test_a_cell_in_a_guest_depends_on_the_guest_and_is_unknown_before_that_is_built() -> None:
    cell = planned(kernel="bookworm")
    assert digest_of(cell) == ""
    first, second = digest_of(cell, guest={"disk": "a"}), digest_of(cell, guest={"disk": "b"})
    assert first != second
    assert digest_of(cell, guest={"disk": "a"}, host=HOST | {"kernel": "another"}) == first


def test_the_digest_of_the_source_has_names_and_contents_but_not_what_is_left_out(tmp_path: Path) -> None:
    for name in ("run", "cli"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text("a")
    first = source_digest(tmp_path)
    (tmp_path / "cli" / "a.py").write_text("b")
    assert source_digest(tmp_path) == first
    whole = source_digest(tmp_path, leave_out=())
    assert whole != first
    (tmp_path / "run" / "a.py").rename(tmp_path / "run" / "b.py")
    assert source_digest(tmp_path) != first
    assert source_digest(tmp_path, leave_out=()) != whole
