"""``train_<use case>``: train, compare and promote when collection has stored new rows, and look once a day."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from pipeline.settings import PipelineSettings, load_settings
from pipeline.use_case import UseCase
from wiring import (
    default_arguments,
    open_data_lake,
    open_data_warehouse,
    open_registry,
    rows_asset,
    task_outcome,
    use_cases,
)

DOC = """
## Train {title}

Runs when the asset `rows_{name}` is updated, that is after every delivery with new rows, and once a day: for a
champion that has grown old, and for rows whose training failed.

| task | does |
|---|---|
| `decide` | trains, or says why not: share of new rows, age of the champion, drift; recorded either way |
| `snapshot` | freezes the rows of the warehouse in the lake, split for ever into train and held-out rows |
| `search` | looks for the best model by cross-validation on the training rows, every candidate an MLflow run |
| `evaluate` | judges it on the held-out rows, exports it to ONNX, checks that the export gives the same answers |
| `register` | registers it as challenger |
| `compare` | challenger against champion on the same held-out rows |
| `promote` | records the decision; when the challenger is better, it becomes champion |
| `verify_serving` | waits until the inference API serves it and probes it; rolls back when that fails |

When `decide` says no, or the challenger is not better, the tasks that follow are **skipped**.
To train regardless: trigger with `force` on. By hand: `mlops train {name}`; back: `mlops rollback {name}`.
"""

SERVING_TIMEOUT_SECONDS = 120
# Never for a midnight before the first start, where there is nothing to train on; a start date would call for that.
DAILY = CronTriggerTimetable("@daily", timezone="UTC", run_immediately=timedelta(0))


def make_dag(use_case: UseCase) -> DAG:
    """Build the training DAG of one use case."""
    dag_id = f"train_{use_case.name}"

    @dag(
        dag_id=dag_id,
        dag_display_name=f"Train: {use_case.title}",
        description=f"Train, compare and promote on new rows: {use_case.title}",
        doc_md=DOC.format(title=use_case.title, name=use_case.name),
        schedule=AssetOrTimeSchedule(timetable=DAILY, assets=[rows_asset(use_case)]),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=2),
        default_args=default_arguments(use_case, priority=1),
        params={"force": Param(False, type="boolean", title="Train regardless of what changed")},
        tags=["train", use_case.name],
    )
    def train() -> None:
        @task.short_circuit
        def decide() -> bool:
            """Whether to train now; the reasons are in the log and in the warehouse."""
            from pipeline import retraining

            with task_outcome():
                forced = bool(get_current_context()["params"]["force"])
                decision = retraining.decide(use_case, open_data_warehouse(), open_registry(), forced=forced)
            print(f"train: {decision.train}; " + "; ".join(decision.reasons))
            return decision.train

        @task
        def snapshot() -> dict[str, Any]:
            """Freeze the rows to train on."""
            from pipeline import retraining

            with task_outcome():
                return retraining.snapshot(use_case, open_data_warehouse(), open_data_lake())

        @task
        def search(frozen: dict[str, Any]) -> dict[str, Any]:
            """Find and fit the best candidate."""
            from pipeline import retraining

            with task_outcome():
                jobs = load_settings(PipelineSettings).search_jobs
                return retraining.search(use_case, open_data_lake(), open_registry(), frozen, jobs)

        @task
        def evaluate(run: dict[str, Any]) -> dict[str, Any]:
            """Judge the candidate on the held-out rows and export it."""
            from pipeline import retraining

            with task_outcome():
                return retraining.evaluate(use_case, open_data_lake(), open_registry(), run)

        @task
        def register(run: dict[str, Any]) -> int:
            """Register the candidate as challenger."""
            from pipeline import retraining

            with task_outcome():
                return retraining.register(use_case, open_registry(), run)

        @task
        def compare(version: int) -> dict[str, Any]:
            """Compare challenger and champion on the same held-out rows."""
            from pipeline import retraining

            with task_outcome():
                return retraining.compare(use_case, open_data_lake(), open_registry(), version)

        @task
        def promote(version: int, decision: dict[str, Any]) -> int:
            """Record the decision and, when it is a yes, make the challenger champion."""
            from pipeline import retraining

            with task_outcome():
                promoted = retraining.promote(
                    use_case, open_data_warehouse(), open_registry(), version, decision, actor=f"Airflow: {dag_id}"
                )
            if not promoted:
                raise AirflowSkipException("the champion stays: " + "; ".join(decision["reasons"]))
            return version

        @task
        def verify_serving(version: int) -> None:
            """Wait until the inference API answers with the new champion."""
            from pipeline import retraining

            with task_outcome():
                warehouse, registry = open_data_warehouse(), open_registry()
                url = load_settings(PipelineSettings).inference_api_url
                retraining.verify_serving(use_case, warehouse, registry, url, version, SERVING_TIMEOUT_SECONDS)

        frozen = snapshot()
        decide() >> frozen
        run = evaluate(search(frozen))
        version = register(run)
        verify_serving(promote(version, compare(version)))

    return train()


for _use_case in use_cases().values():
    make_dag(_use_case)
