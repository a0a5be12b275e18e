"""Which model version is served: follows the champion of every registered model, in the background.

Requests read `ModelStore.states`, an immutable mapping that is replaced as a whole. A new version is downloaded,
verified, warmed up and probed before it takes the place of the old one, which stays when any of that fails.
"""

import gc
import logging
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from inference_api.champion_follower import ChampionFollower
from inference_api.errors import Refusal, without_values
from inference_api.fields import printable
from inference_api.memory import release_memory
from inference_api.metrics import ServiceMetrics
from inference_api.model_cache import ModelCache
from inference_api.model_loader import ModelLoader
from inference_api.model_state import ModelState, problem_of, shown_problem
from inference_api.predictor import Predictor
from inference_api.registry_link import BEING_READ, RegistryLink
from inference_api.registry_reader import RegistryReader
from inference_api.traffic import TrafficFollower
from pipeline.errors import PipelineError
from pipeline.model_version import VersionInfo
from pipeline.traffic import TrafficRule

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5


class ModelStore:
    """Loaded models by name.

    Parameters
    ----------
    open_registry : called in the background thread, since importing MLflow takes longer than serving from the cache.
    cache : bundles on disk.
    poll_seconds : time between two looks at the registry.
    default : the model that requests mean when they name none; expected even before it is registered.
    allow_pickle : whether model files may be read that can run code.
    """

    def __init__(
        self,
        open_registry: Callable[[], RegistryReader],
        cache: ModelCache,
        metrics: ServiceMetrics,
        *,
        poll_seconds: float,
        default: str,
        allow_pickle: bool = False,
    ) -> None:
        self.default = default
        self.states: Mapping[str, ModelState] = MappingProxyType({})
        self.registry = RegistryLink(open_registry, poll_seconds)
        self._loader = ModelLoader(cache, metrics, allow_pickle=allow_pickle)
        self._champions = ChampionFollower(self._loader, cache, poll_seconds)
        self._traffic = TrafficFollower(self._loader, poll_seconds)
        self._poll_seconds = poll_seconds
        self._metrics = metrics
        self._modules = 0
        self._refreshing = threading.Lock()
        self._publishing = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def ready(self) -> bool:
        return any(state.predictor is not None for state in self.states.values())

    def state(self, name: str) -> ModelState:
        """What is known of a model.

        Raises
        ------
        Refusal
            404 for a name that no model has, 503 while the registry has not been read and may know the name.
        """
        state = self.states.get(name)
        if state is not None:
            return state
        if self.registry.listed_at:
            raise Refusal(
                404, f"there is no model {printable(name)!r}; models: {', '.join(sorted(self.states)) or 'none yet'}"
            )
        report = self.registry.report or BEING_READ
        raise Refusal(503, f"{printable(name)!r} is not known here: {report}", retry_after=RETRY_AFTER_SECONDS)

    def find(self, name: str) -> Predictor:
        """The champion of a model, loaded; raises as `state` does, and 503 for a model with nothing to serve yet."""
        state = self.states.get(name) if name == self.default else self.state(name)
        if state is not None and state.predictor is not None:
            return state.predictor
        reason = state.problem if state is not None else self.registry.report
        reason = reason or f"no version of {name} is registered"
        advice = f"train and promote one with `mlops train {name}`"
        raise Refusal(503, f"{name} cannot be predicted yet: {reason}; {advice}", retry_after=RETRY_AFTER_SECONDS)

    def load(self, version: VersionInfo) -> Predictor:
        """Load any version, off the event loop; raises whatever keeps it from being served."""
        return self._loader.load(self.registry.opened(), version)[0]

    def set_traffic(self, name: str, rule: TrafficRule) -> None:
        """Keep a rule in the registry and follow it; off the event loop.

        Raises
        ------
        RegistryError
            It cannot be kept.
        """
        self.registry.opened().set_traffic(name, rule)
        self.refresh(name)

    def canary_failed(self, canary: Predictor, error: Exception) -> None:
        """Note that a canary failed a request which the champion could answer."""
        self._metrics.canary_fallbacks.labels(canary.name, canary.version).inc()
        with self._publishing:
            state = self.states.get(canary.name)
            traffic = state.traffic if state is not None else None
            if state is None or traffic is None or traffic.predictor is not canary or traffic.problem is not None:
                return
            reason = without_values(error) if isinstance(error, Refusal) else shown_problem(error)
            problem = f"{canary} failed requests, which the champion answered; the first: {reason}"
            logger.warning("%s", problem)
            noted = replace(state, traffic=replace(traffic, problem=problem))
            self.states = MappingProxyType({**self.states, state.name: noted})

    def start(self) -> None:
        """Load what the cache holds, then follow the registry, both in a thread of their own."""
        self._thread = threading.Thread(target=self._follow, name="model-store", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop following; what is loaded stays."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=1)

    def load_cached(self) -> None:
        """Serve what the cache holds until the registry has been read. Never raises."""
        with self._refreshing:
            try:
                for state in self._champions.cached():
                    self._publish(state)
            except Exception:
                # Whatever became of the folder, the registry has it all.
                logger.exception("the cached models cannot be read")

    def ask_registry(self) -> None:
        """Ask the registry something harmless, whatever else is under way; raises what is wrong with it."""
        self.registry.ask(_model_tags)

    def refresh(self, name: str | None = None) -> None:
        """Bring one model, or all, in line with the registry now. Never raises: failures go into the states."""
        with self._refreshing:
            try:
                began = time.monotonic()
                tags = self.registry.ask(_model_tags)
                for wanted in sorted(tags) if name is None else [name] if name in tags else []:
                    try:
                        self._follow_model(wanted, tags[wanted], retry_now=name is not None)
                    except Exception as error:
                        # Is it this model, or the registry? That raises here too, and nothing is said of the model.
                        self.registry.ask(_model_tags)
                        self._not_followed(wanted, error)
                for gone in self.states.keys() - set(tags):
                    self._without_champion(self.states[gone], (), f"{gone} is no longer in the model registry")
            except Exception as error:
                # Whatever a registry that is down, slow or lying makes of a reply, serving goes on.
                self.registry.failed(error)
            else:
                if name is None:
                    self.registry.listed_at = began
                self.registry.was_read()
            self._metrics.registry_up.set(self.registry.problem is None)

    def _follow(self) -> None:
        self.load_cached()
        while not self._stopping.is_set():
            before = self.states
            self.refresh()
            if self.states is not before or len(sys.modules) > self._modules:
                self.settle()
            pause = self._poll_seconds * random.uniform(0.9, 1.1)
            self._stopping.wait(max(pause, self.registry.pause))

    def settle(self) -> None:
        """After a change: keep the garbage collector from what stays, and give back what went."""
        if len(sys.modules) > self._modules:
            # MLflow's modules stay: a collection that walks them would delay requests by 50 ms. A model may go again,
            # and what is frozen is never collected.
            self._modules = len(sys.modules)
            gc.freeze()
        release_memory()

    def _follow_model(self, name: str, tags: Mapping[str, str], *, retry_now: bool) -> None:
        versions = tuple(self.registry.ask(lambda registry: registry.versions(name)))
        state = replace(self.states.get(name, ModelState(name)), versions=versions)
        champion = state.champion
        if champion is None:
            self._without_champion(state, versions, f"no version of {name} has the alias champion")
            return
        registry = self.registry.opened()
        state = self._champions.follow(registry, state, champion, retry_now=retry_now)
        # At once: the version beside it may take long.
        self._publish(state)
        self._publish(replace(state, traffic=self._traffic.follow(registry, state, tags, retry_now=retry_now)))

    def _not_followed(self, name: str, error: Exception) -> None:
        """Record that what the registry holds of one model cannot be used, which leaves the others alone."""
        state = self.states.get(name, ModelState(name))
        problem = f"what the registry holds of it cannot be used: {shown_problem(error)}{state.still_serving}"
        if state.problem != problem:
            details: Any = None if isinstance(error, PipelineError) else error
            logger.error("%s cannot be followed: %s", name, problem_of(error), exc_info=details)
        self._publish(replace(state, problem=problem))

    def _without_champion(self, state: ModelState, versions: tuple[VersionInfo, ...], problem: str) -> None:
        # What only the cache knows of may be left from another registry; what the registry once named stays.
        if state.confirmed or state.predictor is None:
            self._publish(replace(state, versions=versions, problem=problem, traffic=None))
        else:
            logger.warning("no longer serving the cached %s: %s", state.predictor, problem)
            self._publish(ModelState(state.name, versions=versions, problem=problem))

    def _publish(self, state: ModelState) -> None:
        if self.states.get(state.name) == state:
            return
        with self._publishing:
            self.states = MappingProxyType({**self.states, state.name: state})
        self._metrics.model_version.labels(state.name).set(state.predictor.version if state.predictor else 0)
        self._metrics.model_stale.labels(state.name).set(state.status in ("stale", "not loaded"))


def _model_tags(registry: RegistryReader) -> dict[str, dict[str, str]]:
    return registry.model_tags()
