from netem.probe.retry import RetryPolicy

SECOND_NS = 10**9


def test_pauses_double_until_the_rounds_are_used_up() -> None:
    policy = RetryPolicy(max_rounds=4, first_pause_ns=50)
    assert [policy.pause_ns(rounds, 0) for rounds in range(1, 5)] == [50, 100, 200, None]


def test_slow_probes_have_fewer_rounds() -> None:
    policy = RetryPolicy(max_rounds=4, max_long_rounds=2, long_ns=SECOND_NS)
    assert policy.pause_ns(2, SECOND_NS - 1) is not None
    assert policy.pause_ns(2, SECOND_NS) is None
    assert policy.pause_ns(1, SECOND_NS) is not None
