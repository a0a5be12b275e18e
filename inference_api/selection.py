"""Which model version answers a request: the champion, the one that the query string names, or a canary."""

import asyncio
import re
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Scope

from inference_api.errors import Refusal
from inference_api.fields import printable
from inference_api.model_state import ModelState
from inference_api.model_store import RETRY_AFTER_SECONDS, ModelStore
from inference_api.predictor import Predictor
from inference_api.version_pool import VersionPool
from pipeline.model_version import VersionInfo

# For what is unknown the registry is looked at, so often at most; a request waits for that no longer than this.
LOOK_SECONDS = 0.8
LONGEST_LOOK_SECONDS = 0.8
SHOWN_VERSIONS = 50
PARAMETERS = ("version", "alias", "explain", "log")

Result = TypeVar("Result")

_VERSION = re.compile(r"[0-9]{1,9}")


class Query(msgspec.Struct, frozen=True, gc=False):
    """What the query string of a request asks for."""

    version: int | None = None
    alias: str | None = None
    explain: bool = False
    log: bool = True


NOTHING_ASKED = Query()


class Choice(msgspec.Struct, frozen=True, gc=False):
    """Who answers one request.

    Attributes
    ----------
    predictor : answers.
    explain : whether the request asks for an explanation of each answer.
    log : whether its answers go to the prediction log and to the shadow.
    champion : answers in its place when `predictor` is a canary that fails; None when it is none.
    failed : told of such a failure.
    """

    predictor: Predictor
    explain: bool = False
    log: bool = True
    champion: Predictor | None = None
    failed: Callable[[Predictor, Exception], None] | None = None

    @property
    def is_quick(self) -> bool:
        """Whether an answer takes microseconds, and may be made on the event loop."""
        champion = self.champion
        return self.predictor.path == "onnx" and not self.explain and (champion is None or champion.path == "onnx")

    def answer(self, function: Callable[..., Result], *args: Any) -> Result:
        """``function(predictor, *args)``, or the same of the champion where a canary fails.

        Raises
        ------
        Exception
            What `function` raised for the one that answers last: a canary refuses nothing that the champion takes.
        """
        if self.champion is None or self.failed is None:
            return function(self.predictor, *args)
        try:
            return function(self.predictor, *args)
        except Exception as error:
            reply = function(self.champion, *args)
            self.failed(self.predictor, error)
            return reply


class Selector:
    """Chooses among what the store serves and what the pool can load."""

    def __init__(self, store: ModelStore, pool: VersionPool) -> None:
        self._store = store
        self._pool = pool
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="selector")
        self._looking: Future[None] | None = None

    async def choose(self, name: str, scope: Scope) -> Choice:
        """Who answers a request to a model.

        Raises
        ------
        Refusal
            404: no such model, version or alias; 422: a query string that makes no sense; 503: not loaded (yet).
        """
        query = read_query(scope["query_string"]) if scope["query_string"] else NOTHING_ASKED
        state = self._store.states.get(name)
        if state is None or state.predictor is None or query.version is not None or query.alias is not None:
            return Choice(await self.predictor(name, query), query.explain, query.log)
        canary = None if state.traffic is None else state.traffic.canary_for(scope["request_id"])
        if canary is None:
            return Choice(state.predictor, query.explain, query.log)
        return Choice(canary, query.explain, query.log, state.predictor, self._store.canary_failed)

    async def state(self, name: str) -> ModelState:
        """What is known of a model; raises 404 or 503 where nothing is."""
        if name not in self._store.states:
            await self._look()
        return self._store.state(name)

    async def predictor(self, name: str, query: Query) -> Predictor:
        """The version that a query asks for, loaded; raises as `choose` does."""
        if name not in self._store.states:
            await self._look()
        if query.version is None and query.alias is None:
            return self._store.find(name)
        state = self._store.state(name)
        info = _find(state, query)
        if info is None:
            await self._look()
            state = self._store.state(name)
            info = _find(state, query)
        if info is None:
            raise self._unknown(state, query)
        return state.loaded(info) or await self._pool.get(info)

    async def _look(self) -> None:
        """Have the registry looked at, unless that was done a moment ago, and wait for it a moment."""
        if time.monotonic() - self._store.registry.listed_at < LOOK_SECONDS:
            return
        if self._looking is None or self._looking.done():
            self._looking = self._thread.submit(self._store.refresh)
        await asyncio.wait([asyncio.wrap_future(self._looking)], timeout=LONGEST_LOOK_SECONDS)

    def _unknown(self, state: ModelState, query: Query) -> Refusal:
        wanted = f"version {query.version}" if query.version is not None else f"alias {printable(query.alias or '')!r}"
        if not self._store.registry.listed_at:
            report = self._store.registry.report
            message = f"whether {state.name} has {wanted} is not known: {report}"
            return Refusal(503, message, retry_after=RETRY_AFTER_SECONDS)
        numbers = ", ".join(str(info.version) for info in state.versions[:SHOWN_VERSIONS]) or "none"
        aliases = ", ".join(sorted(alias for info in state.versions for alias in info.aliases)) or "none"
        return Refusal(404, f"{state.name} has no {wanted}; versions: {numbers}; aliases: {aliases}")

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._pool.close()


def read_query(text: bytes) -> Query:
    """Read a query string.

    Raises
    ------
    Refusal
        422 naming the parameter that is unknown, wrong, given twice or contradicts another one.
    """
    found: dict[str, str] = {}
    for key, value in parse_qsl(text.decode("latin-1"), keep_blank_values=True, max_num_fields=None):
        if key not in PARAMETERS:
            raise _wrong(printable(key), f"there is no parameter {printable(key)}; there are {', '.join(PARAMETERS)}")
        if key in found:
            raise _wrong(key, f"{key} is given twice")
        found[key] = value
    version, alias, explain, log = (found.get(key) for key in PARAMETERS)
    if version is not None and alias is not None:
        raise _wrong("alias", "give version or alias, not both")
    if version is not None and not (_VERSION.fullmatch(version) and int(version)):
        raise _wrong("version", f"version must be a whole number of at least 1, got {printable(version)!r}")
    if alias == "":
        raise _wrong("alias", "alias is empty; give one as the model registry has it, such as challenger")
    for key, given in (("explain", explain), ("log", log)):
        if given not in (None, "true", "false"):
            raise _wrong(key, f"{key} must be true or false, got {printable(given)!r}")
    return Query(None if version is None else int(version), alias, explain == "true", log != "false")


def _wrong(parameter: str, message: str) -> Refusal:
    return Refusal(422, [{"loc": ["query", parameter], "msg": message, "type": "query_parameter"}])


def _find(state: ModelState, query: Query) -> VersionInfo | None:
    if query.version is not None:
        return next((info for info in state.versions if info.version == query.version), None)
    return next((info for info in state.versions if query.alias in info.aliases), None)
