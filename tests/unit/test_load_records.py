"""Records of the load test: the inference API must find nothing wrong with any of them."""

import json
from pathlib import Path
from random import Random

import pytest

from inference_api.model_schema import record_schema
from inference_api.request_schema import RecordValidator
from load_tests.records import draw_record, draw_value
from pipeline.bundle import load_bundle
from pipeline.use_case import load_use_cases
from tests.bundles import make_bundle

USE_CASES = load_use_cases(Path(__file__).resolve().parents[2] / "use_cases")


@pytest.mark.parametrize("name", list(USE_CASES))
def test_the_api_accepts_every_drawn_record(name: str, tmp_path: Path) -> None:
    bundle = load_bundle(make_bundle(USE_CASES[name], tmp_path))
    schema, random = record_schema(bundle), Random(0)
    records = [draw_record(schema, bundle.input_example, random) for _ in range(500)]
    read, _ = RecordValidator(bundle).read(json.dumps({"records": records}).encode(), len(records))
    assert len(read) == len(records)
    assert len({json.dumps(record) for record in records}) > 400
    nullable = {name for name, rule in schema["properties"].items() if "null" in rule["type"]}
    assert {name for record in records for name, value in record.items() if value is None} == nullable


def test_numbers_without_limits_are_around_the_typical_one() -> None:
    values = [draw_value({"type": "number"}, 40.0, Random(seed)) for seed in range(50)]
    assert all(0 <= value <= 80 for value in values)
    assert all(isinstance(draw_value({"type": "integer"}, 3, Random(seed)), int) for seed in range(9))
