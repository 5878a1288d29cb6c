from pathlib import Path

import netem.pipeline
from netem.pipeline.registry import ADMISSION, ENTRY, STAGES, TIMING
from netem.spec import parse


def test_the_order_names_every_stage_once() -> None:
    assert sorted((*ADMISSION, *ENTRY, *TIMING)) == sorted(STAGES)


def test_every_impairment_has_its_file() -> None:
    folder = Path(netem.pipeline.__file__).parent
    files = {path.stem for path in folder.glob("*.py")}
    assert {name.replace("-", "_") for name in STAGES} | {"slot", "noop"} <= files


def test_every_stage_that_draws_depends_on_the_kind_of_correlation() -> None:
    exact = parse("delay 5ms 1ms 5% loss 1% 5% duplicate 1% 5% corrupt 1% 5% reorder 1% 5%")
    true = parse("delay 5ms 1ms 5% loss 1% 5% duplicate 1% 5% corrupt 1% 5% reorder 1% 5% correlation true")
    for name in ("delay", "loss", "duplicate", "corrupt", "reorder"):
        assert STAGES[name].config(exact) != STAGES[name].config(true)
