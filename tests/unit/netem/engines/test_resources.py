from pathlib import Path

import pytest

from netem.contract.errors import SidecarError
from netem.engines import resources
from netem.spec import parse


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    given, tc = tmp_path / "given", tmp_path / "tc"
    for folder in (given, tc):
        folder.mkdir()
    monkeypatch.setattr(resources, "TC_FOLDER", tc)
    monkeypatch.setattr(resources, "TABLE_FOLDERS", (given, tc))
    monkeypatch.setattr(resources, "TRACE_FOLDERS", (given,))
    return given, tc


def test_given_tables_take_precedence_over_those_of_tc(folders: tuple[Path, Path]) -> None:
    given, tc = folders
    (given / "mine.dist").write_text("1 2\n")
    (tc / "mine.dist").write_text("3 4\n")
    (given / "slow").write_text("5\n")
    found = resources.read_resources(parse("delay 1ms 1ms distribution mine trace slow"))
    assert dict(found.tables) == {"mine": (1, 2)}
    assert dict(found.traces) == {"slow": (5,)}


def test_a_missing_file_is_named(folders: tuple[Path, Path]) -> None:
    with pytest.raises(SidecarError, match=r"read mine\.dist: no such file"):
        resources.read_resources(parse("delay 1ms 1ms distribution mine"))


def test_a_table_outside_of_tcs_folder_is_not_for_the_kernel_engine(folders: tuple[Path, Path]) -> None:
    given, tc = folders
    (given / "mine.dist").write_text("1\n")
    (tc / "experimental.dist").write_text("1\n")
    assert resources.tables_outside_tc(parse("delay 1ms 1ms distribution mine"))[0].startswith("distribution mine: tc")
    for text in ("delay 1ms 1ms distribution experimental", "delay 1ms 1ms distribution normal", "loss 1%"):
        assert resources.tables_outside_tc(parse(text)) == ()
