import pytest

from netem.contract.scheduling import NO_CAPABILITY, ORDINARY, is_realtime


@pytest.mark.parametrize(
    ("scheduling", "expected"),
    [("deadline 0.2 ms of 2 ms", True), ("fifo 10", True), (f"{ORDINARY}{NO_CAPABILITY}", False), (None, False)],
)
def test_only_a_policy_is_real_time(scheduling: str | None, expected: bool) -> None:
    assert is_realtime(scheduling) is expected
