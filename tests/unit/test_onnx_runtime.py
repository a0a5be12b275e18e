"""ONNX Runtime reports nothing about the models it runs."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
seen = []
def audit(event, args):
    if event == "import" and args[0] == "onnxruntime":
        seen.append(os.environ.get("ORT_DISABLE_TELEMETRY"))
sys.addaudithook(audit)
import {module}
assert seen and set(seen) == {{"1"}}, seen
"""


@pytest.mark.parametrize("module", ["pipeline.export", "inference_api.app", "inference_api.onnx_predictor"])
def test_onnx_runtime_is_told_to_report_nothing_before_it_is_imported(module: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", PROGRAM.format(module=module)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
