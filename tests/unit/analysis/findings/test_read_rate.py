import pytest

from testbed.analysis.findings.read_rate import explain
from testbed.result import Finding, Silence
from tests.support.transfers import fast_reader, seen_in, slow_network, slow_reader, swallowed


def test_the_law_holds() -> None:
    # The model's queue takes whole bytes, not whole segments: 15 073 B are read in two reads, like 14 480 B.
    found = explain(slow_reader(total_bytes=120_000, read_bytes=4096).observe())
    assert isinstance(found, Finding)
    assert found.numbers["predicted_bytes_per_s"] == pytest.approx(14_480 / 4 / 0.3, rel=0.01)
    assert found.numbers["observed_bytes_per_s"] == pytest.approx(4096 / 0.3, rel=0.15)
    assert found.numbers["short_share"] == 0.0


def test_a_starved_reader() -> None:
    transfer = slow_reader()
    transfer.logs["server"] = [
        line.replace(",8192,", ",4096,") if number % 4 else line for number, line in enumerate(transfer.logs["server"])
    ]
    found = explain(transfer.observe())
    assert isinstance(found, Finding)
    assert "starved" in found.sentence
    assert float(found.numbers["short_share"]) > 0.4


def test_what_fits_into_the_buffer_is_read_at_full_pace() -> None:
    found = explain(slow_reader(rcvbuf_bytes=131_072).observe())
    assert isinstance(found, Finding)
    assert found.numbers["predicted_bytes_per_s"] == pytest.approx(8192 / 0.3, rel=0.01)
    assert found.contradicting == []


def test_a_rate_that_differs_is_told() -> None:
    transfer = slow_reader()
    transfer.logs["server"] = [line.replace(",8192,", ",2000,") for line in transfer.logs["server"]]
    found = explain(transfer.observe())
    assert isinstance(found, Finding)
    assert found.confidence == "medium"
    assert "differ by" in found.contradicting[0]


@pytest.mark.parametrize("transfer", [fast_reader, slow_network])
def test_silent_when_the_reader_does_not_pause(transfer) -> None:
    found = explain(transfer().observe())
    assert isinstance(found, Silence)
    assert found.observable


def test_without_a_log_it_cannot_be_seen() -> None:
    found = explain(seen_in(slow_reader().segments))
    assert isinstance(found, Silence)
    assert not found.observable


def test_a_reader_that_pauses_does_not_set_the_pace_of_a_slow_network() -> None:
    found = explain(slow_network(read_delay_ms=20).observe())
    assert isinstance(found, Finding)
    assert "that is not what sets the pace" in found.sentence
    assert found.contradicting == []
    assert found.strength < 0.3


def test_the_wait_for_the_first_byte_is_not_the_readers() -> None:
    transfer = slow_reader(rcvbuf_bytes=131_072)
    op, start, end, size, total = transfer.logs["server"][0].split(",")
    transfer.logs["server"][0] = ",".join((op, str(int(start) - 5_000_000_000), end, size, total))
    found = explain(transfer.observe())
    assert isinstance(found, Finding)
    assert found.numbers["observed_bytes_per_s"] == pytest.approx(8192 / 0.3, rel=0.1)


def test_a_first_read_that_comes_early_is_no_starving() -> None:
    transfer = swallowed(total_bytes=80_000, rcvbuf_bytes=262_144)
    op, start, end, _, total = transfer.logs["server"][0].split(",")
    transfer.logs["server"][0] = ",".join((op, start, end, "50", total))
    found = explain(transfer.observe())
    assert isinstance(found, Finding)
    assert found.numbers["short_share"] == 0
    assert "starved" not in found.sentence
