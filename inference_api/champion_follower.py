"""The champion of one model: loaded from the cache at the start, replaced when the registry names another one."""

import logging
from collections.abc import Iterator
from dataclasses import replace

from inference_api.background_loads import BackgroundLoads, StillLoading
from inference_api.model_cache import ModelCache, ServedRecord
from inference_api.model_loader import ModelLoader
from inference_api.model_state import Attempts, ModelState, is_same, shown_problem
from inference_api.registry_reader import RegistryReader
from pipeline.model_version import VersionInfo

logger = logging.getLogger(__name__)


class ChampionFollower:
    """Keeps what is served of every model in line with the champion of the registry.

    Parameters
    ----------
    first_pause : seconds until a version that failed is tried again; twice as many after every further failure.
    """

    def __init__(self, loader: ModelLoader, cache: ModelCache, first_pause: float) -> None:
        self._loader = loader
        self._loads = BackgroundLoads(loader)
        self._cache = cache
        self._first_pause = first_pause
        self._attempts: dict[str, Attempts] = {}

    def cached(self) -> Iterator[ModelState]:
        """What was served before the service ended, loaded one after the other."""
        for record, folder in self._cache.recall():
            champion = record.champion
            predictor = self._loader.open_cached(champion, folder, record.digest)
            if predictor is not None:
                logger.info("serving %s from the cache", predictor)
                yield ModelState(champion.name, predictor, champion, tuple(record.versions))

    def follow(
        self, registry: RegistryReader, state: ModelState, champion: VersionInfo, *, retry_now: bool
    ) -> ModelState:
        """The state with its champion loaded; on failure it keeps its predictor and says why."""
        if state.served is not None and is_same(state.served, champion):
            self._attempts.pop(state.name, None)
            self._loads.forget(state.name)
            return replace(state, problem=None, confirmed=True)
        attempts = self._attempts.get(state.name)
        if attempts is None or not is_same(attempts.version, champion):
            attempts = self._attempts[state.name] = Attempts(champion)
        if not retry_now and not self._loads.is_loading(champion) and attempts.failures.remaining > 0:
            return state
        return self._load(registry, state, attempts, retry_now=retry_now)

    def _load(self, registry: RegistryReader, state: ModelState, attempts: Attempts, *, retry_now: bool) -> ModelState:
        champion = attempts.version
        try:
            predictor, digest = self._loads.load(registry, champion, patient=retry_now)
        except StillLoading:
            problem = f"version {champion.version} is being loaded, which takes long{state.still_serving}"
            return replace(state, problem=problem)
        except Exception as error:
            attempts.failures.add(self._first_pause)
            problem = f"version {champion.version} cannot be served: {shown_problem(error)}{state.still_serving}"
            return replace(state, problem=problem)
        try:
            self._cache.remember(ServedRecord(champion=champion, digest=digest, versions=list(state.versions)))
        except OSError as error:
            logger.warning(
                "%s could not be cached and will not survive a restart without the registry: %s", predictor, error
            )
        self._attempts.pop(champion.name, None)
        logger.info("serving %s", predictor)
        return replace(state, predictor=predictor, served=champion, problem=None, confirmed=True)
