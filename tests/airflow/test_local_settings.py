"""What every process of Airflow does first."""

import subprocess
import sys
from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[2] / "airflow" / "plugins"


def test_saving_a_model_beside_airflow_does_not_fill_the_log() -> None:
    program = f"""
import sys, warnings
import airflow.models.dag, airflow.utils.timezone
sys.path.insert(0, {str(PLUGINS)!r})
import airflow_local_settings
import skops.io
warnings.warn("The `airflow.utils.x` attribute is deprecated", FutureWarning)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    told = [line for line in (done.stdout + done.stderr).splitlines() if "deprecated" in line]
    assert [line for line in told if "skops" in line] == []
    # Of others it may say so still.
    assert any("airflow.utils.x" in line for line in told)
