"""``prune_predictions``: what was served long ago is deleted, so that traffic does not fill the disk."""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from pipeline.settings import PipelineSettings, load_settings
from wiring import default_arguments, open_data_warehouse, task_outcome

DOC = """
## Prune: predictions

Deletes predictions, and their outcomes, that are older than `PREDICTIONS_KEPT_DAYS`, and of each use case those beyond
its `PREDICTIONS_KEPT_ROWS` newest. Both are settings of `.env`; 0 keeps all. Collected rows, models, decisions and
promotions are never deleted.

The log of `prune` says how many. It may run again, at any time. By hand: `mlops prune`.
"""


@dag(
    dag_id="prune_predictions",
    dag_display_name="Prune: predictions",
    description="Delete predictions and outcomes that are old",
    doc_md=DOC,
    # Hourly, as an hour of full load logs a million rows; none is due for the hour before the first start.
    schedule=CronTriggerTimetable("@hourly", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=50),
    default_args=default_arguments(None, priority=0),
    tags=["maintenance"],
)
def prune_predictions() -> None:
    """One task."""

    @task
    def prune() -> None:
        """Delete them; the log says how many."""
        settings = load_settings(PipelineSettings)
        with task_outcome():
            pruned = open_data_warehouse().prune_served(settings.predictions_kept_days, settings.predictions_kept_rows)
        for record in pruned:
            print(record)

    prune()


prune_predictions()
