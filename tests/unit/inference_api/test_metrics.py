"""Metrics of several workers are those of the ones that live."""

import os
import subprocess
import sys
from pathlib import Path

from inference_api.metrics import MULTIPROCESS_DIR

PROGRAM = """
import sys
from inference_api.metrics import ServiceMetrics

metrics = ServiceMetrics()
metrics.registry_up.set(float(sys.argv[1]))
metrics.log_written.inc()
print(metrics.render().decode())
"""


def test_worker_that_died_has_no_say_in_the_state_of_the_service(tmp_path: Path) -> None:
    environment = {**os.environ, MULTIPROCESS_DIR: str(tmp_path)}

    def run_worker(registry_up: int) -> str:
        command = [sys.executable, "-c", PROGRAM, str(registry_up)]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    assert "inference_registry_up 0.0" in run_worker(0)
    text = run_worker(1)
    assert "inference_registry_up 1.0" in text
    # What it counted did happen.
    assert "inference_prediction_log_written_total 2.0" in text
