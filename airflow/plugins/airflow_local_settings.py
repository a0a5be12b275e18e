"""Loads the libraries of the tasks once, into the scheduler.

LocalExecutor forks its workers from the scheduler and each task from a worker, so what is imported here is already
there when a task starts: 3–6 s of imports less for every task that talks to MLflow or trains. Only imports belong
here: a library that has started threads before the fork may hang after it.
"""

import importlib
import sys
import warnings

# skops looks for the home of SciPy's functions in every module there is, and Airflow's old modules answer each question
# with a warning that they have moved: 1,160 in the log of a task.
warnings.filterwarnings("ignore", message="The `airflow", category=FutureWarning, module=r"skops\.io\._utils")

LIBRARIES = (
    "mlflow.sklearn",
    "mlflow.tracking",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "skops.io",
    "pandas",
    "pipeline.retraining",
    "pipeline.training",
    "pipeline.judgement",
    "pipeline.export",
)

if "scheduler" in sys.argv:
    for _library in LIBRARIES:
        importlib.import_module(_library)

# No policy of Airflow's is changed.
__all__: list[str] = []
