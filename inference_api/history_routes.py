"""What happened to a model, and all that is known of one of its versions."""

from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from inference_api.collaborators import Records
from inference_api.errors import Refusal
from inference_api.known import known_model
from inference_api.lookups import Lookups, log_failure
from inference_api.model_state import shown_problem
from inference_api.model_store import ModelStore
from inference_api.operations_replies import HistoryReply, PromotionEntry, TrainingDecisionEntry, VersionReply
from pipeline.errors import PipelineError, RegistryError
from pipeline.model_version import VersionInfo

if TYPE_CHECKING:
    from pipeline.version_documents import VersionDocuments

SHOWN = 50
HISTORY_SECONDS = 3.0
VERSION_SECONDS = 5.0
# Documents kept: of a version they never change once it was compared, and a model card may hold 100 kB.
KEPT_DOCUMENTS = 64
# What a reply waits for MLflow before it goes without; what has begun goes on, for the next one who asks.
DOCUMENT_SECONDS = 5.0
MOST_RUNNING = 8


class DocumentCache:
    """What training runs wrote, asked for once each, and not waited for when the registry hangs."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._kept: OrderedDict[str, VersionDocuments] = OrderedDict()
        self._running: dict[str, Future[VersionDocuments]] = {}
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="documents")
        self._lock = Lock()

    def read(self, run_id: str) -> "VersionDocuments":
        """The documents of a run; raises RegistryError."""
        with self._lock:
            if run_id in self._kept:
                self._kept.move_to_end(run_id)
                return self._kept[run_id]
            running = self._running.get(run_id)
            if running is None:
                if len(self._running) >= MOST_RUNNING:
                    raise RegistryError("MLflow does not answer; others wait for it already")
                running = self._running[run_id] = self._threads.submit(self._fetch, run_id)
        try:
            return running.result(timeout=DOCUMENT_SECONDS)
        except TimeoutError:
            raise RegistryError(f"MLflow takes longer than {DOCUMENT_SECONDS:g} s; ask again in a while") from None

    def close(self) -> None:
        """Give up what has not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, run_id: str) -> "VersionDocuments":
        try:
            found = self._records.documents(run_id)
            # The comparison with the champion comes last: before it, more may come.
            if found.evaluation is not None and found.decision is not None:
                with self._lock:
                    self._kept[run_id] = found
                    while len(self._kept) > KEPT_DOCUMENTS:
                        self._kept.popitem(last=False)
            return found
        finally:
            with self._lock:
                del self._running[run_id]


def history_routes(
    store: ModelStore, records: Records, documents: DocumentCache, warehouse: Lookups, registry: Lookups
) -> APIRouter:
    """Routes of a model's history and versions.

    Parameters
    ----------
    documents : of the versions.
    warehouse, registry : the threads in which either is read.
    """
    router = APIRouter(tags=["history"])

    @router.get(
        "/models/{name}/history",
        response_model=HistoryReply,
        responses={404: {"description": "No such model"}, 503: {"description": "The warehouse cannot be read"}},
    )
    async def history(name: str) -> Response:
        """Promotions, rejections and roll backs with their reasons, and why a training ran or did not."""
        return await warehouse.reply(("history", name), lambda: _history(store, records, name), HISTORY_SECONDS)

    @router.get(
        "/models/{name}/versions/{version}",
        response_model=VersionReply,
        responses={404: {"description": "No such model or version; lists those there are"}},
    )
    async def version(name: str, version: Annotated[int, Path(ge=1)]) -> Response:
        """Metrics with intervals, evaluation, model card and promotion decision of one version.

        While MLflow is down, what is known without it; `problem` says so.
        """

        def look_up() -> VersionReply:
            return _version(_known_version(store, records, name, version), records, documents)

        return await registry.reply(("version", name, version), look_up, VERSION_SECONDS)

    return router


def _history(store: ModelStore, records: Records, name: str) -> HistoryReply:
    known_model(store, records, name)
    warehouse = records.warehouse()
    promotions = [record.model_dump(exclude={"use_case"}) for record in warehouse.promotion_history(name, SHOWN)]
    decisions = [record.model_dump(exclude={"use_case"}) for record in warehouse.decisions(name, SHOWN)]
    return HistoryReply(
        promotions=[PromotionEntry(**record) for record in promotions],
        training_decisions=[TrainingDecisionEntry(**record) for record in decisions],
    )


def _known_version(store: ModelStore, records: Records, name: str, version: int) -> VersionInfo:
    state, _ = known_model(store, records, name)
    versions = {info.version: info for info in state.versions} if state else {}
    if version not in versions:
        known = ", ".join(map(str, sorted(versions))) or "none yet"
        raise Refusal(404, f"model {name!r} has no version {version}; versions: {known}")
    return versions[version]


def _version(info: VersionInfo, records: Records, documents: DocumentCache) -> VersionReply:
    problems, found = [], None
    try:
        found = documents.read(info.run_id)
    except RegistryError as error:
        log_failure(error)
        problems.append(f"evaluation and model card cannot be read now: {shown_problem(error)}")
    if found is not None and found.evaluation is None and found.model_card is None:
        problems.append("MLflow holds neither evaluation nor model card of it: it was registered by other means")
    decision = found.decision if found else None
    if decision is None:
        try:
            decision = _recorded_decision(records, info)
        except PipelineError:
            problems.append("the history of promotions cannot be read now")
    evaluation = found.evaluation if found else None
    rows = info.tags.get("rows", "")
    return VersionReply(
        **info.model_dump(include={"name", "version", "aliases", "stage", "created_at", "run_id", "metrics"}),
        dataset_digest=info.tags.get("dataset_digest"),
        git_sha=info.tags.get("git_sha"),
        rows=int(rows) if rows.isdecimal() else None,
        intervals=(evaluation or {}).get("intervals", {}),
        evaluation=evaluation,
        model_card=found.model_card if found else None,
        decision=decision,
        problem="; ".join(problems) or None,
    )


def _recorded_decision(records: Records, info: VersionInfo) -> dict[str, object] | None:
    """The decision on a version as the history has it."""
    history = records.warehouse().promotion_history(info.name)
    return next((item.decision for item in history if item.to_version == info.version and item.decision), None)
