"""The formulas against what was measured: 1 300 000 B, a reader of 8192 B a second, IPv4, MSS 1448, Linux 6.18."""

import pytest

from testbed.analysis.predict import (
    Kernel,
    autotuned_sndbuf_bytes,
    effective_rcvbuf_bytes,
    effective_sndbuf_bytes,
    first_window_bytes,
    probes_per_period,
    receiver_bytes,
    sender_bytes,
    slow_reader_goodput,
    stall_point,
    stall_point_of,
)

MSS = 1448
CUBIC, BBR = Kernel(congestion="cubic"), Kernel(congestion="bbr")


def test_what_setsockopt_comes_to() -> None:
    assert (effective_sndbuf_bytes(8192), effective_rcvbuf_bytes(8192)) == (16384, 16384)
    assert (effective_sndbuf_bytes(1), effective_rcvbuf_bytes(1)) == (4608, 2304)


def test_the_first_window() -> None:
    assert first_window_bytes(131_072, MSS) == 65_160
    assert first_window_bytes(16_384, MSS) == 7240


@pytest.mark.parametrize("measured_bytes", [28_316, 29_168, 28_960])
def test_the_stall_point_with_small_buffers(measured_bytes: int) -> None:
    predicted = stall_point(8192, 8192, MSS, CUBIC)
    assert predicted.sender_bytes == 14_480
    assert predicted.bytes == pytest.approx(measured_bytes, rel=0.1)
    assert predicted.low_bytes < measured_bytes < predicted.high_bytes


@pytest.mark.parametrize(
    ("kernel", "measured_bytes"), [(CUBIC, 492_524), (CUBIC, 441_160), (CUBIC, 410_520), (BBR, 859_144)]
)
def test_the_stall_point_with_the_kernels_buffers(kernel: Kernel, measured_bytes: int) -> None:
    predicted = stall_point(0, 0, MSS, kernel)
    assert predicted.bytes == pytest.approx(measured_bytes, rel=0.15)
    assert predicted.low_bytes < measured_bytes < predicted.high_bytes


def test_a_small_send_buffer_is_overshot() -> None:
    assert sender_bytes(effective_sndbuf_bytes(4096), MSS, 65_160) in (31_856, 37_648)
    assert sender_bytes(effective_sndbuf_bytes(4096), MSS, 131_072) == 65_160


def test_the_kernels_caps_are_kept() -> None:
    capped = Kernel(rmem_max_bytes=212_992, wmem_max_bytes=212_992)
    predicted = stall_point(1 << 20, 1 << 20, MSS, capped)
    assert (predicted.sndbuf_bytes, predicted.rcvbuf_bytes) == (425_984, 425_984)


def test_autotuning_starts_at_ten_segments_and_ends_at_its_limit() -> None:
    assert autotuned_sndbuf_bytes(4, "cubic", 1 << 22) == 46_080
    assert autotuned_sndbuf_bytes(4, "bbr", 1 << 22) == 69_120
    assert autotuned_sndbuf_bytes(10_000, "bbr", 1 << 22) == 1 << 22


def test_the_buffers_of_a_sample_are_taken_as_they_are() -> None:
    predicted = stall_point_of(16_384, 16_384, MSS, 7240)
    assert predicted.bytes == receiver_bytes(16_384) + 14_480


def test_under_16_kb_less_fits_in() -> None:
    assert receiver_bytes(8192) == round(0.65 * 8192)


@pytest.mark.parametrize("measured", [7208, 7205, 7209])
def test_goodput_with_small_buffers(measured: float) -> None:
    assert slow_reader_goodput(16_384, MSS, 8192, 1.0) == 7240
    assert measured == pytest.approx(7240, rel=0.07)


@pytest.mark.parametrize("measured", [7825, 7775, 7965, 8119])
def test_goodput_with_the_kernels_buffers(measured: float) -> None:
    assert slow_reader_goodput(131_072, MSS, 8192, 1.0) == pytest.approx(measured, rel=0.07)


@pytest.mark.parametrize(
    ("closed_s", "probes"), [(0.1, 0), (0.22, 1), (0.67, 2), (1.83, 3), (162.8 / 89, 3), (16, 6), (500, 12)]
)
def test_probes_per_zero_window_period(closed_s: float, probes: int) -> None:
    assert probes_per_period(closed_s) == probes
