from netem.pipeline.registry import STAGES
from netem.pipeline.stage import Resources
from netem.spec import parse


def test_resources_are_empty_by_default() -> None:
    assert not Resources().tables
    assert not Resources().traces


def test_only_the_limit_is_always_there() -> None:
    unimpaired = parse("")
    assert [name for name, spec in STAGES.items() if spec.config(unimpaired) is not None] == ["limit"]
