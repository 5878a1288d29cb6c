import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.run.repeats import Repeats, repeat_lines, spread
from tests.support.runs import result

values = st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=20)


@given(values)
def test_the_spread_is_that_of_numpy(given_values: list[float]) -> None:
    found = spread(given_values)
    assert (found["count"], found["min"], found["max"]) == (len(given_values), min(given_values), max(given_values))
    assert found["median"] == pytest.approx(statistics.median(given_values))
    assert found["q1"] == pytest.approx(float(np.quantile(given_values, 0.25)))
    assert found["q3"] == pytest.approx(float(np.quantile(given_values, 0.75)))


def test_the_repetitions_of_a_cell_are_summarised() -> None:
    repeats = Repeats()
    for number, duration_s in enumerate((1.0, 2.0, 6.0), 1):
        repeats.add(result("a", duration_s=duration_s, repetition=number))
    repeats.add(result("b"))
    (entry, other) = repeats.document()
    assert (entry["cell"], entry["machine_name"], entry["statuses"]) == ("a", "host1", {"passed": 3})
    duration = entry["metrics"]["duration_s"]
    assert duration == {"count": 3, "min": 1, "q1": 1.5, "median": 2, "q3": 4, "max": 6}
    assert entry["metrics"]["goodput_bytes_per_s"]["median"] == 1500
    assert "write_s" not in entry["metrics"], "nothing was measured"
    assert other["cell"] == "b"
    assert repeat_lines([entry]) == [
        "  a",
        "    3 of 3 repetitions: median duration 2 s (min 1 s, quartiles 1.5 s and 4 s, max 6 s)",
        "    3 of 3 repetitions: median goodput 1.5 kB/s (min 500 B/s, quartiles 1 kB/s and 2.25 kB/s, max 3 kB/s)",
    ]


def test_what_did_not_pass_or_is_not_reliable_is_left_out_and_named() -> None:
    repeats = Repeats()
    repeats.add(result("a", duration_s=1.0))
    repeats.add(result("a", duration_s=99.0, timing_reliable=False, repetition=2))
    repeats.add(result("a", "failed", duration_s=50.0, repetition=3))
    repeats.add(result("a", duration_s=1.0, timing_reliable=None, repetition=4))
    (entry,) = repeats.document()
    assert (entry["statuses"], entry["unreliable"]) == ({"passed": 3, "failed": 1}, 1)
    assert entry["metrics"]["duration_s"]["count"] == 2
    assert repeat_lines([entry])[1].startswith("    2 of 4 repetitions (1 with unreliable timing left out): median")


def test_machines_are_not_mixed() -> None:
    repeats = Repeats()
    for machine, duration_s in (("host2", 4.0), ("host1", 1.0), ("host2", 6.0)):
        repeats.add(result("a", duration_s=duration_s, machine_name=machine))
    repeats.add(result("b", "failed"))
    document = repeats.document()
    assert [(each["machine_name"], each["metrics"].get("duration_s", {}).get("median")) for each in document] == [
        ("host1", 1.0),
        ("host2", 5.0),
        ("host1", None),
    ]
    lines = repeat_lines(document)
    assert lines[1].endswith(" on host1")
    assert lines[3].endswith(" on host2")
    assert lines[5] == "    figures of different machines are not comparable"
    assert lines[-1] == "    0 of 1 repetition: no figures"
