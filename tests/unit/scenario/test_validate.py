import pytest

from testbed.scenario.model import Cell
from testbed.scenario.validate import Problem, validate


def test_good_fields_give_the_cell() -> None:
    assert validate({"family": "ipv6", "delay": "1s"}) == Cell(family="ipv6", delay="1s")


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"family": "ipv5"}, [Problem("family", 0, "'ipv4' or 'ipv6', not 'ipv5'")]),
        ({"famly": "ipv4"}, [Problem("famly", 0, "unknown field; did you mean 'family'?")]),
        (
            {"nodes": -1, "repeat": 0},
            [Problem("nodes", 0, "0 or more, not -1"), Problem("repeat", 0, "1 or more, not 0")],
        ),
        ({"snaplen": 63}, [Problem("snaplen", 0, "63 is neither 0 (all) nor at least 64 bytes")]),
        (
            {"capture_max": "1M"},
            [Problem("capture_max", 0, "1048576 is neither 0 (no limit) nor at least 8000000 bytes")],
        ),
        ({"sample_interval": "500us"}, [Problem("sample_interval", 0, "500us is not a multiple of 1ms up to 60s")]),
        ({"jitter": "5ms"}, [Problem("", 0, "jitter 5ms requires a latency")]),
    ],
)
def test_wrong_fields_give_one_problem_each(fields: dict[str, object], problems: list[Problem]) -> None:
    assert validate(fields) == problems
