import pytest

from netem.pipeline import Pipeline, is_portable
from netem.pipeline.registry import STAGES
from netem.spec import parse


@pytest.mark.parametrize(
    "text",
    [
        "",
        "limit 0",
        "delay 5ms 1ms 25% distribution pareto limit 7 nd per-segment",
        "loss 1% 5% duplicate 1% 5% correlation true",
        "loss state 1%",
        "loss gemodel 1%",
        "rate 1mbit 5 9 1",
        "delay 5ms reorder 5% 5% gap 3 seed 4",
        "delay 5ms 1ms keep-order",
    ],
)
def test_stages_with_numbers_are_portable(text: str) -> None:
    assert is_portable(parse(text))
    pipeline = Pipeline(parse(text))
    for name, stage in pipeline.portable_stages.items():
        assert STAGES[name].portable
        stage.import_state(stage.export_state())


@pytest.mark.parametrize(
    "text",
    [
        "slot 1ms",
        "delay 5ms filter port 1",
        "drop-list 1",
        "blackhole 1s 1s",
        "corrupt 1%",
        "loss 1% ecn",
        "trace t",
    ],
)
def test_what_else_there_is_needs_the_pipeline(text: str) -> None:
    assert not is_portable(parse(text))
