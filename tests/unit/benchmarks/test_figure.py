from benchmarks.figure import Figure, median


def test_a_goal_is_met_or_missed_on_either_side() -> None:
    assert Figure("a", 0.7, "", least=0.7).met
    assert not Figure("a", 0.69, "", least=0.7).met
    assert Figure("a", 150, "ms", most=150).met
    assert not Figure("a", 151, "ms", most=150).met
    assert Figure("a", 1e9, "s").met


def test_a_line_shows_a_missed_goal() -> None:
    assert str(Figure("help", 200, "ms", most=150)).endswith("ms     goal <= 150  MISSED")
    assert str(Figure("help", 100, "ms", most=150)).endswith("goal <= 150")
    assert str(Figure("help", 100, "ms")).endswith("ms")


def test_a_median_keeps_its_samples() -> None:
    figure = median("a", [3.0, 1.0, 2.0], "s", most=2)
    assert figure.value == 2.0
    assert figure.record() == {
        "name": "a",
        "value": 2.0,
        "unit": "s",
        "met": True,
        "most": 2,
        "samples": [3.0, 1.0, 2.0],
    }
