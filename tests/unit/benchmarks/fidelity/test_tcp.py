from benchmarks.fidelity.tcp import Transfer, judge

SLOW, FAST = "The receiver reads too slowly", "The network limits the transfer"


def verdicts(kernel: list[Transfer], user: list[Transfer]) -> list[bool]:
    return [finding.same for finding in judge({"kernel": kernel, "user": user})]


def test_same_verdict_and_goodput() -> None:
    assert verdicts(
        [Transfer(SLOW, 10_000), Transfer(SLOW, 2_000), Transfer(SLOW, 9_500)], [Transfer(SLOW, 10_000)]
    ) == [
        True,
        True,
    ]


def test_one_other_verdict_is_a_difference() -> None:
    assert verdicts([Transfer(SLOW, 10_000)], [Transfer(FAST, 10_000)]) == [False, True]
    assert verdicts([Transfer(SLOW, 10_000), Transfer(FAST, 10_000)], [Transfer(SLOW, 10_000)])[0] is False


def test_goodput_has_a_bound() -> None:
    assert verdicts([Transfer(SLOW, 10_000)], [Transfer(SLOW, 8_900)]) == [True, False]
