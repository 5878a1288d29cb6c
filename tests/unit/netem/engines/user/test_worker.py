import pytest

from netem.engines.user.devices import VNET_HEADER_BYTES
from netem.engines.user.worker import build_pipelines
from netem.pipeline import Pipeline
from netem.spec import parse
from tests.support.frames import numbered

FRAME = bytes(VNET_HEADER_BYTES) + numbered(7)


def left(pipeline: Pipeline) -> int:
    pipeline.push(FRAME, 1_000_000)
    return len(pipeline.pop_due(10**12))


@pytest.mark.parametrize("text", ["drop-list 1", "blackhole 0s 1s"])
def test_drop_lists_and_blackholes_do_not_apply_to_probes(text: str) -> None:
    measured, probes = build_pipelines(parse(text), 0)
    assert (left(measured), left(probes)) == (0, 1)


def test_a_filter_does_not_exempt_probes() -> None:
    measured, probes = build_pipelines(parse("loss 100% filter port 1"), 0)
    assert (left(measured), left(probes)) == (1, 0)
