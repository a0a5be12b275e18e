"""The version beside the champion of one model: which it is, and which requests it has a part in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from zlib import crc32

from inference_api.background_loads import BackgroundLoads, StillLoading
from inference_api.model_loader import ModelLoader
from inference_api.model_state import Attempts, is_same, shown_problem
from inference_api.predictor import Predictor
from inference_api.registry_reader import RegistryReader
from pipeline.errors import ConfigurationError
from pipeline.model_version import VersionInfo
from pipeline.traffic import TrafficRule, read_rule

if TYPE_CHECKING:
    from inference_api.model_state import ModelState

_HASHES = 2**32


@dataclass(frozen=True)
class Traffic:
    """A traffic rule, and the version that it means at the moment.

    Attributes
    ----------
    predictor, version : of the alias; None where nobody has it, it is the champion's, or it cannot be loaded.
    problem : why it takes no part, or how it failed last.
    """

    rule: TrafficRule
    version: VersionInfo | None = None
    predictor: Predictor | None = None
    problem: str | None = None

    def canary_for(self, request_id: str) -> Predictor | None:
        """The canary, if this request is one of its share: the same for every request with this id."""
        if self.rule.mode != "canary" or self.predictor is None:
            return None
        return self.predictor if self._has(request_id) else None

    def shadow_for(self, request_id: str) -> Predictor | None:
        """The shadow, if this request is one of its share."""
        if self.rule.mode != "shadow" or self.predictor is None:
            return None
        return self.predictor if self._has(request_id) else None

    def _has(self, request_id: str) -> bool:
        return crc32(request_id.encode()) < self.rule.share * _HASHES


class TrafficFollower:
    """Keeps the `Traffic` of every model in line with its rule and with where the alias is."""

    def __init__(self, loader: ModelLoader, first_pause: float) -> None:
        self._loads = BackgroundLoads(loader)
        self._first_pause = first_pause
        self._attempts: dict[str, Attempts] = {}

    def follow(
        self, registry: RegistryReader, state: "ModelState", tags: Mapping[str, str], *, retry_now: bool
    ) -> Traffic | None:
        """What the traffic of a model is now, given the tags of its registered model."""
        try:
            rule = read_rule(tags)
        except ConfigurationError as error:
            return Traffic(TrafficRule(mode="off"), problem=str(error))
        traffic = None if rule is None else self._of_rule(registry, rule, state, retry_now=retry_now)
        if traffic is None or traffic.version is None:
            self._loads.forget(state.name)
        return traffic

    def _of_rule(self, registry: RegistryReader, rule: TrafficRule, state: "ModelState", *, retry_now: bool) -> Traffic:
        if rule.mode == "off":
            return Traffic(rule)
        version = next((info for info in state.versions if rule.alias in info.aliases), None)
        if version is None:
            return Traffic(rule, problem=f"no version has the alias {rule.alias}: the champion answers alone")
        if version.is_champion:
            return Traffic(
                rule, problem=f"version {version.version}, the {rule.alias}, is the champion: it answers alone"
            )
        before = state.traffic
        if before is not None and before.version is not None and is_same(before.version, version):
            if before.predictor is not None:
                return replace(before, rule=rule, version=version)
        elif state.name in self._attempts and not is_same(self._attempts[state.name].version, version):
            del self._attempts[state.name]
        return self._load(registry, rule, version, before, retry_now=retry_now)

    def _load(
        self,
        registry: RegistryReader,
        rule: TrafficRule,
        version: VersionInfo,
        before: Traffic | None,
        *,
        retry_now: bool,
    ) -> Traffic:
        attempts = self._attempts.setdefault(version.name, Attempts(version))
        waits = attempts.failures.remaining > 0 and not self._loads.is_loading(version)
        if before is not None and not retry_now and waits:
            return replace(before, rule=rule)
        try:
            predictor, _ = self._loads.load(registry, version, patient=retry_now)
        except StillLoading:
            problem = f"version {version.version} is being loaded, which takes long; the champion answers alone"
            return Traffic(rule, version, None, problem)
        except Exception as error:  # whatever is wrong with this version, the champion goes on
            attempts.failures.add(self._first_pause)
            problem = f"version {version.version} cannot be loaded: {shown_problem(error)}; the champion answers alone"
            return Traffic(rule, version, None, problem)
        self._attempts.pop(version.name, None)
        return Traffic(rule, version, predictor)
