"""What was collected: batches as they arrive, quarantine with its reasons, and distributions of the columns."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from inference_api.collaborators import Records
from inference_api.distributions import describe_columns
from inference_api.known import known_use_case
from inference_api.lookups import Lookups
from inference_api.model_state import problem_of
from inference_api.operations_replies import (
    Batch,
    DataList,
    DataReply,
    DistributionsReply,
    LastPoll,
    QuarantinedRow,
    QuarantineReply,
    UseCaseRows,
)
from pipeline.errors import PipelineError
from pipeline.use_case import UseCase

DATA_SECONDS = 2.0
DISTRIBUTIONS_SECONDS = 30.0
SAMPLED_ROWS = 20_000
MOST_QUARANTINED = 500

_UNAVAILABLE: dict[int | str, dict[str, Any]] = {503: {"description": "The warehouse cannot be read; see Retry-After"}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    404: {"description": "No such use case; lists those there are"},
    **_UNAVAILABLE,
}


def data_routes(records: Records, lookups: Lookups, interval_seconds: int) -> APIRouter:
    """Routes below ``/data``.

    Parameters
    ----------
    interval_seconds : time between two polls of a source.
    """
    router = APIRouter(tags=["data"])

    @router.get("/data", response_model=DataList, responses=_UNAVAILABLE)
    async def use_cases() -> Response:
        """The use cases, and how many rows each has."""
        return await lookups.reply(("data",), lambda: _use_cases(records), DATA_SECONDS)

    @router.get("/data/{use_case}", response_model=DataReply, responses=_RESPONSES)
    async def data(use_case: str) -> Response:
        """Batches with their counts, the last poll of the source and the next one."""

        def look_up() -> DataReply:
            return _data(records, known_use_case(records, use_case), interval_seconds)

        return await lookups.reply(("data", use_case), look_up, DATA_SECONDS)

    @router.get("/data/{use_case}/quarantine", response_model=QuarantineReply, responses=_RESPONSES)
    async def quarantine(use_case: str, limit: Annotated[int, Query(ge=1, le=MOST_QUARANTINED)] = 100) -> Response:
        """The newest rows that were not accepted, each with a reason per field."""

        def look_up() -> QuarantineReply:
            return _quarantine(records, known_use_case(records, use_case), limit)

        return await lookups.reply(("quarantine", use_case, limit), look_up, DATA_SECONDS)

    @router.get("/data/{use_case}/distributions", response_model=DistributionsReply, responses=_RESPONSES)
    async def distributions(use_case: str) -> Response:
        """Distribution of each feature and of the target, on at most 20,000 rows from all over the table."""

        def look_up() -> DistributionsReply:
            return _distributions(records, known_use_case(records, use_case))

        return await lookups.reply(("distributions", use_case), look_up, DISTRIBUTIONS_SECONDS)

    return router


def _use_cases(records: Records) -> DataList:
    warehouse = records.warehouse()
    return DataList(
        use_cases=[
            UseCaseRows(name=name, title=use_case.title, rows=warehouse.row_count(name))
            for name, use_case in records.use_cases().items()
        ]
    )


def _data(records: Records, use_case: UseCase, interval_seconds: int) -> DataReply:
    warehouse = records.warehouse()
    poll = warehouse.last_poll(use_case)
    # A source may start again, so it is asked on although it is exhausted.
    return DataReply(
        use_case=use_case.name,
        title=use_case.title,
        rows=warehouse.row_count(use_case),
        quarantined=warehouse.quarantined_count(use_case),
        batches=[Batch(**batch.model_dump()) for batch in warehouse.batches(use_case)],
        last_poll=LastPoll(at=poll.at, outcome=poll.outcome, detail=problem_of(PipelineError(poll.detail)))
        if poll
        else None,
        next_poll=poll.at + timedelta(seconds=interval_seconds) if poll else None,
        interval_seconds=interval_seconds,
        exhausted=poll is not None and poll.outcome == "exhausted",
    )


def _quarantine(records: Records, use_case: UseCase, limit: int) -> QuarantineReply:
    warehouse = records.warehouse()
    entries = warehouse.quarantine(use_case, limit)
    batches = warehouse.batches_of({entry.ledger_id for entry in entries})
    return QuarantineReply(
        rows=[
            QuarantinedRow(
                epoch=batches[entry.ledger_id][0],
                batch_number=batches[entry.ledger_id][1],
                ledger_id=entry.ledger_id,
                row_index=entry.row_index,
                row=_printable(entry.row),
                reasons=_printable(entry.reasons),
            )
            for entry in entries
            if entry.ledger_id in batches
        ],
        total=warehouse.quarantined_count(use_case),
        columns=[column.name for column in use_case.columns],
    )


def _printable(value: Any) -> Any:
    """A delivered value, with the lone surrogates that no UTF-8 holds escaped."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [_printable(item) for item in value]
    return {_printable(key): _printable(item) for key, item in value.items()} if isinstance(value, dict) else value


def _distributions(records: Records, use_case: UseCase) -> DistributionsReply:
    warehouse = records.warehouse()
    sample = warehouse.sample_rows(use_case, SAMPLED_ROWS)
    return DistributionsReply(
        rows=warehouse.row_count(use_case),
        sampled=len(next(iter(sample.values()), [])),
        features=describe_columns(use_case, sample),
    )
