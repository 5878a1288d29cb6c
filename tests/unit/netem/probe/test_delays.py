from netem.probe.delays import Delays, summarize


def test_order_statistics() -> None:
    assert summarize([]) is None
    assert summarize([5]) == Delays(5, 5, 5, 5)
    assert summarize(range(100, 0, -1)) == Delays(1, 51, 99, 100)
