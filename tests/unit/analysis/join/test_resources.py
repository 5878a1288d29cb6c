from pathlib import Path

from testbed.analysis.join.resources import parse_resources, read_resources

FILE = """monotonic_ns,realtime_ns,processes,memory_bytes,resident_bytes,cpu_ns
10,1,1,1000,5000,0
20,1,1,1200,5000,7
garbage
30,1,1,9000,5000,9
40,1,1,8000
"""


def test_columns() -> None:
    found = parse_resources(FILE.splitlines())
    assert found is not None
    assert found.memory_bytes.tolist() == [1000, 1200, 9000]
    assert found.line.tolist() == [2, 3, 5]
    assert found.cpu_ns.tolist() == [0, 7, 9]


def test_growth_from_a_time_on() -> None:
    found = parse_resources(FILE.splitlines())
    assert found is not None
    assert [found.growth_bytes(at_ns) for at_ns in (5, 10, 25, 30)] == [None, 8000, 7800, None]


def test_what_grew_just_as_it_began_may_be_left_out() -> None:
    found = parse_resources(FILE.splitlines())
    assert found is not None
    assert [found.settled_growth_bytes(at_ns) for at_ns in (5, 10, 15, 25, 35)] == [8000, 8000, 7800, None, None]


def test_less_than_before_is_no_growth() -> None:
    found = parse_resources(["monotonic_ns,memory_bytes,cpu_ns", "10,9000,0", "20,1000,0"])
    assert found is not None
    assert found.growth_bytes(15) == 0


def test_files(tmp_path: Path) -> None:
    assert read_resources(tmp_path / "none.csv") is None
    (tmp_path / "r.csv").write_text("monotonic_ns\n")
    assert read_resources(tmp_path / "r.csv") is None
    (tmp_path / "r.csv").write_text(FILE)
    assert read_resources(tmp_path / "r.csv") is not None


def test_numbers_that_no_kernel_reports_are_left_out() -> None:
    huge = "9" * 30
    rows = ["monotonic_ns,memory_bytes,cpu_ns", "10,9000,0", f"20,{huge},0", "-20,1,0", f"{huge},1,0"]
    found = parse_resources(rows)
    assert found is not None
    assert found.memory_bytes.tolist() == [9000]
