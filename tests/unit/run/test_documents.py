import csv
import io
import xml.etree.ElementTree as ET

from testbed.result import Delays, Link, Metrics, Result, Rtt
from testbed.run.documents import JunitWriter, ResultsTable
from testbed.run.summary import summary_of


def result(cell: str, status: str = "passed", reason: str = "") -> Result:
    return Result(
        run="r",
        cell=cell,
        status=status,  # type: ignore[arg-type]
        reason=reason,
        requested={"client": "py", "chunk": 1024},
        link={},
        metrics=Metrics(bytes_read=5, duration_s=1.5, rtt_ms=Rtt(min=1, median=2, max=3, samples=4)),
        timing_reliable=None,
        checks=[],
        findings=[],
        notes=[],
    )


def results_csv(results: list[Result]) -> str:
    out = io.StringIO()
    table = ResultsTable(out.write)
    for each in results:
        table.add(each)
    return out.getvalue()


def junit_xml(name: str, results: list[Result]) -> str:
    out = io.StringIO()
    report = JunitWriter(out.write, name, [summary_of(each, bytes_on_disk=0, ended_ns=0) for each in results])
    for each in results:
        report.add(each)
    report.end()
    return out.getvalue()


def test_a_table_with_a_line_a_cell() -> None:
    rows = list(csv.DictReader(io.StringIO(results_csv([result("a"), result("b", "failed", 'it "died",\nso')]))))
    assert [row["cell"] for row in rows] == ["a", "b"]
    assert rows[0] | {"client": "py", "chunk": "1024", "bytes_read": "5", "rtt_median_ms": "2.0"} == rows[0]
    assert rows[1]["reason"] == 'it "died",\nso'
    assert results_csv([]) == ""


def test_the_table_has_where_and_how_punctually_an_attempt_ran() -> None:
    late = Delays(packets=500, ms={"p50": 0.1, "p99": 0.4, "max": 1.0})
    later = late.model_copy(update={"ms": {"p50": 0.1, "p99": 0.7, "max": 1.0}})
    link = {"engine": "user", "requested": "delay 10ms 1ms", "readback": "", "scheduling": "fifo 1"}
    one = result("a").model_copy(
        update={
            "repetition": 2,
            "attempt": 2,
            "machine_name": "host1",
            "isolation": "warm",
            "reused_from": "r0",
            "link": {
                "client": Link.model_validate({**link, "engine_lateness": late}),
                "server": Link.model_validate({**link, "engine_lateness": later}),
            },
        }
    )
    rows = list(csv.DictReader(io.StringIO(results_csv([one, result("b")]))))
    names = ("repetition", "attempt", "machine_name", "isolation", "reused_from", "lateness_p99_ms", "scheduling")
    assert [rows[0][name] for name in names] == ["2", "2", "host1", "warm", "r0", "0.7", "fifo 1"]
    assert [rows[1][name] for name in names] == ["1", "1", "", "fresh", "", "", ""]


def test_a_test_report() -> None:
    results = [
        result("a"),
        result("b", "failed", "bad \x1b[31m\x00 <&>"),
        result("c", "error", "no"),
        result("d", "unsupported", "127"),
    ]
    suite = ET.fromstring(junit_xml("s.yaml", results))
    assert suite.attrib == {"name": "s.yaml", "tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["error"], ["skipped"]]
    assert suite[0].attrib == {"classname": "s.yaml", "name": "a", "time": "1.500000"}
    assert suite[1][0].attrib["message"] == "bad \ufffd[31m\ufffd <&>"


def test_fields_that_are_lists_or_mappings_are_json_in_a_column() -> None:
    one = result("a")
    one.requested = {"profile": [{"at": "1s", "netem": "loss 1%"}], "sysctl": {}}
    (row,) = csv.DictReader(io.StringIO(results_csv([one])))
    assert (row["profile"], row["sysctl"]) == ('[{"at": "1s", "netem": "loss 1%"}]', "")


def test_times_of_an_emulated_machine_are_marked() -> None:
    results = [result("a"), result("b").model_copy(update={"emulated": True})]
    rows = list(csv.DictReader(io.StringIO(results_csv(results))))
    assert [row["emulated"] for row in rows] == ["False", "True"]
    cases = ET.fromstring(junit_xml("s", results)).findall("testcase")
    assert [[each.attrib for each in case.iter("property")] for case in cases] == [
        [],
        [{"name": "emulated", "value": "true"}],
    ]
