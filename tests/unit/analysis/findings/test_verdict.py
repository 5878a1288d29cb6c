import pytest

from testbed.evaluation.explanation import explain
from tests.support.cycles import window_limited
from tests.support.transfers import (
    broken_off,
    captures_of,
    fast_reader,
    slow_network,
    slow_reader,
    slow_sender,
    swallowed,
)


@pytest.mark.parametrize(
    ("transfer", "parts", "absent"),
    [
        (slow_reader, ["reads too slowly", "write() was blocked for", "first after 16 000 B"], ["Yet"]),
        (swallowed, ["reads too slowly", "Yet no write() was blocked: all 60 000 B"], ["write() was blocked for"]),
        (slow_network, ["The network limits the transfer"], ["window was closed", "reads too slowly"]),
        (slow_sender, ["The sending program limits"], ["window was closed", "reads too slowly"]),
        (fast_reader, ["Nothing limited the sender", "never closed"], ["reads too slowly", "limits"]),
    ],
)
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_the_answer(transfer, parts: list[str], absent: list[str], family: str) -> None:
    answer = explain(transfer(family=family).observe()).verdict
    assert all(part in answer for part in parts), answer
    assert not any(part in answer for part in absent), answer
    assert answer.endswith(".")


def test_a_program_that_buffers_by_itself() -> None:
    transfer = slow_reader(total_bytes=400_000, in_program=True, read_delay_ms=30)
    assert "the program itself buffers up to" in explain(transfer.observe()).verdict


def test_the_answer_from_captures_alone() -> None:
    assert "reads too slowly" in explain(captures_of(slow_reader().segments)).verdict
    assert explain(captures_of(slow_reader().segments[:3])).verdict == ""


def test_a_receiver_that_swallowed_everything() -> None:
    transfer = slow_reader(rcvbuf_bytes=262_144, sndbuf_bytes=262_144)
    answer = explain(transfer.observe()).verdict
    assert answer.startswith("The sender never waited for the reader: 60 000 B")
    assert "needed another 2.1 s" in answer


def test_a_transfer_that_was_not_finished() -> None:
    transfer = swallowed()
    del transfer.logs["server"][-6:]
    answer = explain(transfer.observe()).verdict
    assert "B of 60 000 B had been read after" in answer
    assert "kB/s" not in answer


@pytest.mark.parametrize(("path_ms", "reader_ms"), [(180, 220), (220, 180), (140, 260)])
def test_reader_and_window_are_named_together_whichever_is_ahead(path_ms: int, reader_ms: int) -> None:
    answer = explain(window_limited(path_ms, reader_ms)).verdict
    assert answer.startswith("The receiver reads too slowly and its window is too small for the round trip: together")


@pytest.mark.parametrize(
    ("path_ms", "reader_ms", "beginning"),
    [
        (110, 290, "The receiver reads too slowly and limits the sender (7"),
        (290, 110, "The receive window is too small for the round trip and limits the sender (7"),
    ],
)
def test_a_lesser_limit_follows_the_greater(path_ms: int, reader_ms: int, beginning: str) -> None:
    answer = explain(window_limited(path_ms, reader_ms)).verdict
    assert answer.startswith(beginning)
    assert "for another 2" in answer


def test_without_samples_a_long_transfer_is_not_called_unhindered() -> None:
    answer = explain(captures_of(slow_network().segments)).verdict
    assert "Nothing limited the sender" not in answer
    assert "Packets alone do not show" in answer


def test_a_window_that_closed_for_milliseconds_limits_nothing() -> None:
    answer = explain(slow_reader(total_bytes=30_000, read_delay_ms=3).observe()).verdict
    assert "B were acknowledged within" in answer
    assert "the receive window was closed for" in answer
    assert "reads too slowly" not in answer


def test_a_transfer_that_was_broken_off() -> None:
    answer = explain(broken_off().observe()).verdict
    assert answer.startswith("The receiver reads too slowly")
    assert "had been read after 69" in answer
    assert "took" not in answer


def test_a_reader_that_leaves_what_was_swallowed() -> None:
    transfer = slow_reader(rcvbuf_bytes=262_144, sndbuf_bytes=262_144)
    del transfer.logs["server"][-8:]
    answer = explain(transfer.observe()).verdict
    assert answer.startswith("The sender never waited for the reader: 60 000 B")
    assert "left data in it: 32 768 B of 60 000 B had been read after 2.4" in answer


def test_what_was_never_acknowledged_is_not_called_so() -> None:
    transfer = slow_network()
    answer = explain(captures_of([segment for segment in transfer.segments[:-3] if not segment.from_server])).verdict
    assert "not all was acknowledged within" in answer
