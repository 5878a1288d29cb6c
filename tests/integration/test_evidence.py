"""Check the display filters of the evidence with tshark: they are valid, and they show the right frames."""

from collections.abc import Iterator
from typing import cast

import docker
import pytest
from docker.models.containers import Container

from testbed.analysis.join.observation import Observation
from testbed.evaluation.explanation import explain
from testbed.result import Evidence
from tests.support.archives import packed
from tests.support.captures import pcap
from tests.support.image_builds import build_tools
from tests.support.transfers import Transfer, slow_reader, swallowed

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def tshark() -> Iterator[Container]:
    client = docker.from_env()
    container = client.containers.run(
        build_tools(client), ["sleep", "600"], detach=True, init=True, network_mode="none", labels={"testbed.test": "1"}
    )
    try:
        yield container
    finally:
        container.remove(force=True)
        client.close()


def shown(tshark: Container, data: bytes, display_filter: str) -> list[int]:
    """Return the numbers of the frames that tshark shows."""
    assert tshark.put_archive("/tmp", packed({"file.pcap": data}))
    argv = ["tshark", "-n", "-r", "/tmp/file.pcap", "-Y", display_filter, "-T", "fields", "-e", "frame.number"]
    status, output = tshark.exec_run(argv, demux=True)
    assert status == 0, (display_filter, output)
    return [int(line) for line in cast("bytes", output[0] or b"").split()]


def frames_of(observation: Observation) -> list[Evidence]:
    answer = explain(observation)
    return [evidence for found in answer.findings for evidence in found.evidence if evidence.kind == "frames"]


@pytest.mark.parametrize(
    "transfer", [slow_reader(read_delay_ms=700), swallowed(chunk_bytes=100)], ids=["slow reader", "swallowed"]
)
def test_filters_show_exactly_the_frames_of_the_evidence(tshark: Container, transfer: Transfer) -> None:
    evidence = frames_of(transfer.observe())
    assert len(evidence) >= 5
    for found in evidence:
        numbers = shown(tshark, pcap(transfer.segments), found.filter)
        assert (len(numbers), numbers[0], numbers[-1]) == (found.count, found.first, found.last), found


def test_a_filter_by_rule_includes_the_frames_of_the_evidence(tshark: Container) -> None:
    transfer = slow_reader(total_bytes=400_000)
    evidence = [found for found in frames_of(transfer.observe()) if " && " in found.filter]
    assert {found.filter.rpartition(" && ")[2] for found in evidence} >= {"tcp.analysis.zero_window", "tcp.len > 0"}
    for found in evidence:
        numbers = shown(tshark, pcap(transfer.segments), found.filter)
        assert len(numbers) >= (found.count or 0), found
        assert (numbers[0], numbers[-1]) == (found.first, found.last), found
