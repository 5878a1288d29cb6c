import json
from pathlib import Path

import jsonschema
import pytest

from testbed.result import Metrics, Result, result_schema

SCHEMA = Path(__file__).resolve().parents[2] / "app" / "testbed" / "result.schema.json"


def result() -> Result:
    return Result(
        run="r",
        cell="c",
        status="passed",
        reason="",
        requested={"nodes": 1},
        link={},
        metrics=Metrics(bytes_written=1),
        timing_reliable=None,
        checks=[],
        findings=[],
        notes=[],
    )


def test_the_schema_that_is_shipped_is_that_of_the_model() -> None:
    assert json.loads(SCHEMA.read_text()) == result_schema()


def test_a_result_fits_the_schema_and_reads_back() -> None:
    document = json.loads(result().model_dump_json())
    jsonschema.Draft202012Validator.check_schema(result_schema())
    jsonschema.validate(document, result_schema())
    assert Result.model_validate(document) == result()


@pytest.mark.parametrize("change", [{"status": "good"}, {"extra": 1}, {"metrics": {"bytes_written": "many"}}])
def test_what_does_not_fit(change: dict[str, object]) -> None:
    document = json.loads(result().model_dump_json()) | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, result_schema())


def test_every_metric_names_its_unit() -> None:
    units = ("_s", "_ms", "_bytes_per_s", "_calls", "_max")
    assert all(name.startswith("bytes_") or name.endswith(units) for name in Metrics.model_fields)
