"""``collect_<use case>``: one poll of the batch source per run, stored exactly once."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, AssetAlias, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from pipeline.settings import PipelineSettings, load_settings
from pipeline.use_case import UseCase
from wiring import (
    START,
    default_arguments,
    open_data_lake,
    open_data_warehouse,
    open_source,
    rows_asset,
    task_outcome,
    use_cases,
)

DOC = """
## Collect {title}

Asks the external batch API for the next sample at `{path}` and stores it exactly once.

| task | does | hands on |
|---|---|---|
| `poll` | archives the raw reply in the lake before anything else; adds what a crash left unstored | lake URIs |
| `validate` | splits the rows into accepted and quarantined, a reason per field | lake URIs |
| `store` | writes rows, quarantine and ledger entry in one transaction | counts |

A source that has handed out its last batch makes `poll` **skipped**, not failed. An unreachable source, a 5xx or an
unreadable reply is retried with growing pauses. None of them keeps what is archived from being stored. An archived
delivery that cannot be read is logged while there are others, and fails `validate` by name once it is the only one.

Only a delivery with new rows updates the asset `rows_{name}`, which starts `train_{name}`.

Every task may run again, at any time: rows and ledger stay the same. By hand: `mlops collect {name}`;
proof: `mlops audit {name}`.
"""


def make_dag(use_case: UseCase) -> DAG:
    """Build the collection DAG of one use case."""
    asset = rows_asset(use_case)
    alias = AssetAlias(f"new_rows_{use_case.name}")

    @dag(
        dag_id=f"collect_{use_case.name}",
        dag_display_name=f"Collect: {use_case.title}",
        description=f"Poll the batch source and store its rows: {use_case.title}",
        doc_md=DOC.format(title=use_case.title, name=use_case.name, path=use_case.source.path),
        schedule=timedelta(seconds=load_settings(PipelineSettings).collect_interval_seconds),
        start_date=START,
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(minutes=30),
        default_args=default_arguments(use_case, priority=2),
        tags=["collect", use_case.name],
    )
    def collect() -> None:
        @task
        def poll() -> list[dict[str, Any]]:
            """Archive the next delivery; hand on all that is archived and not yet stored."""
            from pipeline import collection

            with task_outcome():
                source, lake, warehouse = open_source(), open_data_lake(), open_data_warehouse()
                _, waiting = collection.poll_pending(use_case, source, lake, warehouse)
            if not waiting:
                raise AirflowSkipException("the source answered with a delivery that is already stored")
            return [archived.model_dump(mode="json") for archived in waiting]

        @task
        def validate(archived: list[dict[str, Any]]) -> list[dict[str, Any]]:
            """Split each delivery into accepted and quarantined rows; one that cannot be read is left for later."""
            from pipeline import collection
            from pipeline.lake import ArchivedDelivery

            with task_outcome():
                lake = open_data_lake()
                deliveries = [ArchivedDelivery.model_validate(item) for item in archived]
                processed, unreadable = collection.validate_readable(use_case, lake, deliveries)
                # Beside others it is logged and stays pending: to fail here would keep them from being stored.
                if unreadable and not processed:
                    raise unreadable
            return [delivery.model_dump(mode="json") for delivery in processed]

        # The alias lets the task decide: an asset in `outlets` would start a training after every poll.
        @task(outlets=[alias])
        def store(processed: list[dict[str, Any]], *, outlet_events: Any = None) -> list[dict[str, Any]]:
            """Store each delivery exactly once and announce new rows."""
            from pipeline import collection

            with task_outcome():
                lake, warehouse = open_data_lake(), open_data_warehouse()
                deliveries = [collection.ProcessedDelivery.model_validate(item) for item in processed]
                entries = [collection.store_delivery(use_case, lake, warehouse, delivery) for delivery in deliveries]
            accepted = sum(entry.accepted for entry in entries)
            # Also when an earlier try had stored the rows and died before it could say so.
            if accepted:
                batches = [entry.batch_number for entry in entries]
                outlet_events[alias].add(asset, extra={"accepted": accepted, "batches": batches})
            return [entry.model_dump(mode="json") for entry in entries]

        store(validate(poll()))

    return collect()


for _use_case in use_cases().values():
    make_dag(_use_case)
