import json
from pathlib import Path

import pytest

from benchmarks.kill_proof import Proof, changed, half_written, kept, main, summary
from testbed.result import Metrics, Result
from tests.support.leftovers import Belongings


def finish(run: Path, cell: str, status: str = "passed") -> None:
    """Add a finished cell as the testbed does: its result first, then its line."""
    (run / cell / "client").mkdir(parents=True)
    result = Result(
        run="r",
        cell=cell,
        status=status,
        reason="",
        requested={},
        link={},
        metrics=Metrics(),
        timing_reliable=None,
        checks=[],
        findings=[],
        notes=[],
    )
    (run / cell / "result.json").write_text(result.model_dump_json())
    with (run / "results.jsonl").open("a") as index:
        index.write(json.dumps({"folder": cell, "cell": cell, "status": status}) + "\n")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for name in ("run.json", "results.csv", "junit.xml"):
        (tmp_path / name).write_text("")
    finish(tmp_path, "a")
    finish(tmp_path, "b", "failed")
    finish(tmp_path, "c", "error")
    return tmp_path


def test_a_whole_run_has_nothing_wrong(run: Path) -> None:
    before = kept(run)
    assert before.keys() == {"a", "b"}, "an error is repeated by the next start"
    finish(run, "d")
    assert list(changed(run, before)) == []
    assert list(half_written(run, 4)) == []


def test_what_is_lost_or_changed_is_reported(run: Path) -> None:
    before = kept(run)
    document = json.loads((run / "a" / "result.json").read_text())
    (run / "a" / "result.json").write_text(json.dumps(document | {"reason": "another"}))
    lines = (run / "results.jsonl").read_text().splitlines()
    (run / "results.jsonl").write_text(f"{lines[0]}\n")
    assert list(changed(run, before)) == [
        "a: it was finished, and was changed: reason",
        "b: it was finished, and is lost",
    ]


def test_a_cell_may_be_compared_with_its_twin_later(run: Path) -> None:
    before = kept(run)
    document = json.loads((run / "a" / "result.json").read_text())
    document["findings"] = [{"name": "family-pair"}]
    (run / "a" / "result.json").write_text(json.dumps(document))
    assert list(changed(run, before)) == []


def test_a_line_without_its_result_is_reported(run: Path) -> None:
    (run / "a" / "result.json").unlink()
    assert list(changed(run, kept(run))) == ["a: in the index before its result was written"]


def test_each_kind_of_torn_document_is_reported(run: Path) -> None:
    (run / "a" / ".cell.json.part").write_text("{")
    (run / "b" / "result.json").write_text('{"schema')
    (run / "d" / "client").mkdir(parents=True)
    (run / "junit.xml").unlink()
    with (run / "results.jsonl").open("a") as index:
        index.write(json.dumps({"folder": "a", "cell": "a", "status": "passed"}))
    found = list(half_written(run, 5))
    assert [line.split(": ")[0] for line in found] == [
        "a/.cell.json.part",
        "results.jsonl",
        "a",
        "b/result.json",
        "d",
        "3 of 5 cells have a result",
        "junit.xml",
    ]


def proof(**facts: object) -> Proof:
    return Proof(after_s=1.0, isolation="warm", finished=2, had=Belongings({7: 1, 8: 1}, taps=2, qdiscs=3), **facts)


def test_the_summary_counts_what_there_was_and_what_is_wrong() -> None:
    text, holds = summary([proof(), proof(), proof(killed=False)], 5)
    assert holds
    assert text == (
        "2 kills, seed 5; 4 finished cells kept; at the kills there were 4 processes, 4 TAP devices and 6 qdiscs; "
        "0 with something left, lost or half-written"
    )
    assert summary([proof(), proof(wrong=["network x"])], 5)[1] is False
    assert summary([proof(killed=False)], 5)[1] is False, "nothing was killed"


def test_a_number_of_kills_below_one_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--kills", "0"])
    assert ended.value.code == 2
    assert "0" in capsys.readouterr().err
