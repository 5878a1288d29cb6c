from testbed.analysis.findings.stall import find_stall, in_program_bytes, kernel_of
from tests.support.transfers import seen_in, slow_reader


def test_predicted_and_observed() -> None:
    stall = find_stall(slow_reader().observe())
    assert stall.before is not None
    assert stall.after is not None
    assert stall.held_bytes is not None
    assert stall.before.bytes == stall.after.bytes == 29_553
    assert stall.after.low_bytes < stall.held_bytes < stall.after.high_bytes


def test_nothing_to_tell_from() -> None:
    stall = find_stall(seen_in(slow_reader().segments))
    assert (stall.before, stall.after, stall.held_bytes) == (None, None, None)


def test_the_kernels_facts_come_from_the_run() -> None:
    host = {
        "sysctls": {"net.ipv4.tcp_rmem": "4096 87380 6291456", "net.core.wmem_max": "212992", "net.ipv4.tcp_wmem": "x"}
    }
    kernel = kernel_of(slow_reader().observe(host=host))
    assert kernel.congestion == "cubic"
    assert (kernel.default_rcvbuf_bytes, kernel.wmem_max_bytes, kernel.max_sndbuf_bytes) == (87_380, 212_992, 4_194_304)


def test_what_is_still_in_the_program() -> None:
    respected = slow_reader().observe().timeline
    piled = slow_reader(in_program=True).observe().timeline
    assert respected is not None
    assert piled is not None
    assert in_program_bytes(respected).max() == 0
    assert in_program_bytes(piled).max() > 20_000


def test_the_send_buffer_counts_as_it_was_when_the_most_was_held() -> None:
    seen = slow_reader().observe()
    assert seen.sender.samples is not None
    column = seen.sender.samples.column("sndbuf").copy()
    column[-3:] *= 20
    seen.sender.samples._numbers["sndbuf"] = column
    after = find_stall(seen).after
    assert after is not None
    assert after.sndbuf_bytes == 16_384
