from dataclasses import replace

import numpy as np

from testbed.analysis.findings.stall import find_stall, in_program_bytes, kernel_of
from testbed.analysis.join.samples import Int64, Samples
from tests.support.samples import with_columns
from tests.support.transfers import captures_of, slow_reader


def test_predicted_and_observed() -> None:
    stall = find_stall(slow_reader().observe())
    assert stall.before is not None
    assert stall.after is not None
    assert stall.held_bytes is not None
    assert stall.before.bytes == stall.after.bytes == 29_553
    assert stall.after.low_bytes < stall.held_bytes < stall.after.high_bytes


def test_without_instruments_nothing_is_known() -> None:
    stall = find_stall(captures_of(slow_reader().segments))
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
    buffered = slow_reader(in_program=True).observe().timeline
    assert respected is not None
    assert buffered is not None
    assert in_program_bytes(respected).max() == 0
    assert in_program_bytes(buffered).max() > 20_000


def test_the_send_buffer_counts_as_it_was_when_the_most_was_held() -> None:
    def growing_at_the_end(samples: Samples) -> Int64:
        return samples.column("sndbuf") * np.where(samples.line > samples.line[-4], 20, 1)

    after = find_stall(with_columns(slow_reader().observe(), sndbuf=growing_at_the_end)).after
    assert after is not None
    assert after.sndbuf_bytes == 16_384


def test_what_an_end_has_set_counts_more_than_the_host() -> None:
    """A prediction from the host's buffers was five times what the cell's could hold."""
    host = {"sysctls": {"net.ipv4.tcp_rmem": "4096 131072 33554432", "net.ipv4.tcp_wmem": "4096 16384 4194304"}}
    observation = slow_reader().observe(host=host, requested={"sndbuf": 8192, "rcvbuf": 0})
    own = {"net.ipv4.tcp_rmem": "4096 8192 16384", "net.ipv4.tcp_wmem": "1 2 3"}
    observation = replace(
        observation,
        receiver=replace(observation.receiver, sysctls=own),
        sender=replace(observation.sender, mtu_bytes=576),
    )
    kernel = kernel_of(observation)
    assert (kernel.default_rcvbuf_bytes, kernel.max_sndbuf_bytes) == (8192, 4_194_304)
    before = find_stall(observation).before
    assert before is not None
    assert before.rcvbuf_bytes == 8192
    assert before.sender_bytes % (1448 - 1500 + 576) == 0
