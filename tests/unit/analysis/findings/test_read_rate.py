import pytest

from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.findings.read_rate import RateOffPrediction, ReaderKeepsUp, ReaderSetsRate, measure
from tests.support.transfers import captures_of, fast_reader, slow_network, slow_reader, swallowed


def test_the_prediction_holds() -> None:
    # The model's queue takes whole bytes, not whole segments: 15 073 B are read in two reads, like 14 480 B.
    found = measure(slow_reader(total_bytes=120_000, read_bytes=4096).observe())
    assert isinstance(found, Measured)
    assert found.fact.predicted_bytes_per_s == pytest.approx(14_480 / 4 / 0.3, rel=0.01)
    assert found.fact.observed_bytes_per_s == pytest.approx(4096 / 0.3, rel=0.15)
    assert found.fact.short_share == 0.0


def test_a_starved_reader() -> None:
    transfer = slow_reader()
    transfer.logs["server"] = [
        line.replace(",8192,", ",4096,") if number % 4 else line for number, line in enumerate(transfer.logs["server"])
    ]
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert isinstance(found.fact, ReaderSetsRate)
    assert found.fact.short_share > 0.4


def test_reads_are_full_where_the_data_fits_into_the_buffer() -> None:
    found = measure(slow_reader(rcvbuf_bytes=131_072).observe())
    assert isinstance(found, Measured)
    assert found.fact.predicted_bytes_per_s == pytest.approx(8192 / 0.3, rel=0.01)
    assert found.contradicted_by == []


def test_a_rate_that_differs_is_reported() -> None:
    transfer = slow_reader()
    transfer.logs["server"] = [line.replace(",8192,", ",2000,") for line in transfer.logs["server"]]
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert found.confidence == "medium"
    assert isinstance(found.contradicted_by[0], RateOffPrediction)


@pytest.mark.parametrize("transfer", [fast_reader, slow_network])
def test_not_applicable_when_the_reader_does_not_pause(transfer) -> None:
    found = measure(transfer().observe())
    assert isinstance(found, NotMeasured)
    assert found.observable


def test_unobservable_without_a_log() -> None:
    found = measure(captures_of(slow_reader().segments))
    assert isinstance(found, NotMeasured)
    assert not found.observable


def test_a_read_delay_does_not_set_the_rate_of_a_slow_network() -> None:
    found = measure(slow_network(read_delay_ms=20).observe())
    assert isinstance(found, Measured)
    assert isinstance(found.fact, ReaderKeepsUp)
    assert found.contradicted_by == []
    assert found.strength < 0.3


def test_the_wait_for_the_first_byte_does_not_count() -> None:
    transfer = slow_reader(rcvbuf_bytes=131_072)
    op, start, end, size, total = transfer.logs["server"][0].split(",")
    transfer.logs["server"][0] = ",".join((op, str(int(start) - 5_000_000_000), end, size, total))
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert found.fact.observed_bytes_per_s == pytest.approx(8192 / 0.3, rel=0.1)


def test_a_first_read_that_comes_early_is_not_short() -> None:
    transfer = swallowed(total_bytes=80_000, rcvbuf_bytes=262_144)
    op, start, end, _, total = transfer.logs["server"][0].split(",")
    transfer.logs["server"][0] = ",".join((op, start, end, "50", total))
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert found.fact.short_share == 0
