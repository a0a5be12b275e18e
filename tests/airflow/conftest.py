"""Run in Airflow's own environment: ``.venv-airflow/bin/python -m pytest tests/airflow``."""

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Airflow reads its configuration when it is imported, so before any test module is.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-tests-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(ROOT / "airflow" / "dags")
os.environ["USE_CASES_DIR"] = str(ROOT / "use_cases")
os.environ["COLLECT_INTERVAL_SECONDS"] = "300"

# As Airflow does for the files of its DAGs folder.
sys.path.insert(0, str(ROOT / "airflow" / "dags"))
