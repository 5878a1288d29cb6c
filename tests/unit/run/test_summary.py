from testbed.result import Failure
from testbed.run.summary import summary_of
from tests.support.runs import result


def test_a_summary_has_what_a_list_shows() -> None:
    made = result("c", "error", failure=Failure(kind="timeout", message="late"), repetition=2, attempt=2, inputs="d")
    found = summary_of(made, bytes_on_disk=7, ended_ns=9)
    assert (found.folder, found.cell, found.repetition, found.attempt) == ("c.r2.a2", "c", 2, 2)
    assert (found.status, found.reason, found.failure_kind) == ("error", "it is error", "timeout")
    assert (found.machine_name, found.inputs, found.bytes, found.ended_ns) == ("host1", "d", 7, 9)
    assert (found.duration_s, found.goodput_bytes_per_s) == (1.5, 2000)


def test_what_was_completed_has_no_failure() -> None:
    assert summary_of(result(), bytes_on_disk=0, ended_ns=0).failure_kind == ""
