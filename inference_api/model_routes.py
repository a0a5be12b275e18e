"""What is served, and the two operations on it."""

import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Query, Request, Response
from pydantic import BaseModel

from inference_api.errors import Refusal
from inference_api.model_schema import record_schema
from inference_api.model_state import ModelState
from inference_api.model_store import ModelStore
from inference_api.operation_body import OperationRoute
from inference_api.predictor import Predictor
from inference_api.registry_threads import RegistryThreads
from inference_api.replies import (
    ModelDetail,
    ModelList,
    ModelNames,
    ModelSummary,
    ModelVersion,
    RollbackReply,
    RollbackRequest,
    TrafficReply,
)
from inference_api.rollback import RollBack, RollbackOperation
from inference_api.selection import Selector, read_query
from pipeline.traffic import TrafficRule

_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"description": "X-API-Key is missing or wrong"},
    404: {"description": "No such model"},
    413: {"description": "The body is larger than an operation takes"},
    503: {"description": "The model registry or the warehouse cannot be used; see Retry-After"},
}
_NOT_DESCRIBED: dict[int | str, dict[str, Any]] = {
    404: {"description": "No such model, version or alias"},
    503: {"description": "That version is being loaded, or cannot be; see Retry-After"},
}
_TRAFFIC_EXAMPLES: dict[str, Any] = {
    "canary": {"value": {"mode": "canary", "alias": "challenger", "share": 0.1}},
    "shadow": {"value": {"mode": "shadow", "share": 1}},
    "off": {"value": {"mode": "off"}},
}
_ROLLBACK_EXAMPLES: dict[str, Any] = {
    "previous champion": {"value": {"reason": "worse in the field"}},
    "a version": {"value": {"to": 3, "reason": "worse in the field"}},
}


def _goes_on(reply: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Refusals, and the reply to who does not wait any longer."""
    return {202: {"model": reply, "description": "It takes long, and goes on"}, **_REFUSALS}


def summary(state: ModelState) -> ModelSummary:
    """What a list of models says of one."""
    bundle = state.predictor.bundle if state.predictor else None
    return ModelSummary(
        name=state.name,
        title=bundle.title if bundle else state.name,
        task=bundle.task if bundle else None,
        champion_version=state.predictor.version if state.predictor else None,
        status=state.status,
        detail=state.problem,
    )


def traffic_reply(state: ModelState) -> TrafficReply | None:
    """The traffic of a model as replies show it."""
    traffic = state.traffic
    if traffic is None:
        return None
    return TrafficReply(
        mode=traffic.rule.mode,
        alias=traffic.rule.alias,
        version=traffic.version.version if traffic.version else None,
        share=traffic.rule.share,
        problem=traffic.problem,
    )


def _detail(state: ModelState, predictor: Predictor | None) -> ModelDetail:
    bundle = predictor.bundle if predictor else None
    versions = [
        ModelVersion(
            version=info.version,
            aliases=info.aliases,
            stage=info.stage,
            metrics=info.metrics,
            created_at=info.created_at,
        )
        for info in state.versions
    ]
    return ModelDetail(
        **summary(state).model_dump(),
        target=bundle.target if bundle else None,
        unit=bundle.target_unit if bundle else None,
        version=predictor.version if predictor else None,
        path=predictor.path if predictor else None,
        traffic=traffic_reply(state),
        labels=bundle.labels if bundle else {},
        versions=versions,
        record_schema=record_schema(bundle) if bundle else None,
        input_example=bundle.input_example or None if bundle else None,
        metrics=bundle.metrics if bundle else {},
    )


def model_routes(store: ModelStore, selector: Selector, api_key: str, roll_back: RollBack) -> APIRouter:
    """Routes below ``/models``, and the list that the course's clients ask for.

    Parameters
    ----------
    roll_back : as `RollbackOperation` takes it.
    """
    router = APIRouter(route_class=OperationRoute)
    threads = RegistryThreads()
    rollback_operation = RollbackOperation(store, roll_back, threads)

    def authorised(x_api_key: Annotated[str, Header(description="the setting API_KEY")] = "") -> None:
        if not hmac.compare_digest(x_api_key.encode(), api_key.encode()):
            problem = "the API key in X-API-Key is wrong" if x_api_key else "this operation needs an API key"
            raise Refusal(401, f"{problem}: send the value of the service's setting API_KEY in the header X-API-Key")

    @router.get("/listar_modelos", tags=["models"])
    async def listar_modelos() -> ModelNames:
        """Names of the models that can predict now (the course's route)."""
        return ModelNames(modelos_disponibles=sorted(n for n, state in store.states.items() if state.predictor))

    @router.get("/models", tags=["models"])
    async def models() -> ModelList:
        """Every registered model, and which version of it is served."""
        return ModelList(models=[summary(state) for _, state in sorted(store.states.items())])

    @router.get("/models/{name}", tags=["models"], responses=_NOT_DESCRIBED)
    async def model(
        request: Request,
        name: str,
        version: Annotated[int | None, Query(ge=1, description="describe this version")] = None,  # noqa: ARG001
        alias: Annotated[str | None, Query(description="describe the version with this alias")] = None,  # noqa: ARG001
    ) -> ModelDetail:
        """Versions, metrics and the schema of a record; of the champion, or of the version asked for.

        Answers from memory, also while the registry is down.
        """
        state = await selector.state(name)
        # Read as for predictions: what is unknown or contradicts itself is refused in the same words.
        query = read_query(request.scope["query_string"])
        asked = query.version is not None or query.alias is not None
        return _detail(state, await selector.predictor(name, query) if asked else state.predictor)

    @router.put(
        "/models/{name}/traffic",
        tags=["operations"],
        dependencies=[Depends(authorised)],
        responses=_goes_on(TrafficReply),
    )
    async def traffic(
        name: str, rule: Annotated[TrafficRule, Body(openapi_examples=_TRAFFIC_EXAMPLES)], response: Response
    ) -> TrafficReply:
        """Let another version shadow the champion, or take a share of its requests; mode `off` ends both.

        Kept in the model registry: of several workers and replicas, the others follow at their next poll.
        """
        await selector.state(name)
        try:
            await threads.in_time(lambda: store.set_traffic(name, rule))
        except TimeoutError:
            response.status_code = 202
        found = traffic_reply(store.state(name))
        return found or TrafficReply(**rule.model_dump(), version=None, problem=f"{name} has no champion yet")

    @router.post(
        "/models/{name}/reload",
        tags=["operations"],
        dependencies=[Depends(authorised)],
        responses=_goes_on(ModelSummary),
    )
    async def reload(name: str, response: Response) -> ModelSummary:
        """Look for a new champion now, instead of at the next poll; 202 when that takes longer than a few seconds.

        Of several workers, the one that answers reloads at once, the others at their next poll.
        """
        try:
            await threads.in_time(lambda: store.refresh(name))
        except TimeoutError:
            response.status_code = 202
        if store.registry.problem is not None:
            raise Refusal(503, f"the model registry cannot be read: {store.registry.problem}", retry_after=5)
        return summary(store.state(name))

    @router.post(
        "/models/{name}/rollback",
        tags=["operations"],
        dependencies=[Depends(authorised)],
        responses={**_goes_on(RollbackReply), 409: {"description": "Nothing to roll back to, or no such version"}},
    )
    async def rollback(
        name: str,
        response: Response,
        request: Annotated[RollbackRequest | None, Body(openapi_examples=_ROLLBACK_EXAMPLES)] = None,
    ) -> RollbackReply:
        """Make the previous champion (or the version named) the champion again, and serve it.

        With a `warning`, the champion was moved but the history does not say so, or may be moved yet (202): do not
        repeat the request.
        """
        await selector.state(name)
        wanted = request or RollbackRequest()
        outcome = await rollback_operation.run(name, wanted.to, wanted.reason)
        if outcome.goes_on:
            response.status_code = 202
        shown = summary(store.state(name)).model_dump()
        return RollbackReply(**shown, record=outcome.record, warning=outcome.warning)

    return router
