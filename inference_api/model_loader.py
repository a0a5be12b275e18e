"""From a registered version to a predictor that has passed its checks."""

import logging
import threading
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from inference_api.memory import release_memory
from inference_api.metrics import ServiceMetrics
from inference_api.model_cache import ModelCache
from inference_api.model_state import problem_of
from inference_api.onnx_predictor import OnnxPredictor
from inference_api.predictor import Predictor
from inference_api.pyfunc_predictor import PyfuncPredictor
from inference_api.registry_reader import RegistryReader
from pipeline.bundle import BUNDLE_FILE
from pipeline.errors import PipelineError
from pipeline.model_version import VersionInfo

logger = logging.getLogger(__name__)


class ModelLoader:
    """Loads versions, each once: a challenger that becomes the champion is in memory already."""

    def __init__(self, cache: ModelCache, metrics: ServiceMetrics, *, allow_pickle: bool) -> None:
        self._cache = cache
        self._allow_pickle = allow_pickle
        self._metrics = metrics
        self._alive: WeakValueDictionary[tuple[str, int, str], Predictor] = WeakValueDictionary()
        self._lock = threading.Lock()

    def load(self, registry: RegistryReader, version: VersionInfo) -> tuple[Predictor, str]:
        """Download, verify and probe a version; returns it with the digest of its files.

        Raises
        ------
        Exception
            Of any kind, after it was counted and logged: the registry or the artifact is not as it should be.
        """
        try:
            folder, digest = self._cache.fetch(registry, version)
            predictor = self._open(version, folder, digest)
        except Exception as error:
            self.log_failure(version, error)
            raise
        self._metrics.model_loads.labels(version.name, "success").inc()
        return predictor, digest

    def open_cached(self, version: VersionInfo, folder: Path, digest: str) -> Predictor | None:
        """The version in a folder whose digest was checked; None, and a line in the log, when it cannot be served."""
        try:
            return self._open(version, folder, digest)
        except Exception as error:
            self.log_failure(version, error)
            return None

    def _open(self, version: VersionInfo, folder: Path, digest: str) -> Predictor:
        key = (version.name, version.version, digest)
        with self._lock:
            predictor = self._alive.get(key)
        if predictor is None:
            predictor = self._new(version, folder)
            # At once: what the next one needs to be read would be put between what this one left.
            release_memory()
            with self._lock:
                self._alive[key] = predictor
        return predictor

    def _new(self, version: VersionInfo, folder: Path) -> Predictor:
        if (folder / BUNDLE_FILE).is_file():
            return OnnxPredictor(version.name, version.version, folder)
        return PyfuncPredictor(version, folder, allow_pickle=self._allow_pickle)

    def log_failure(self, version: VersionInfo, error: Exception) -> None:
        self._metrics.model_loads.labels(version.name, "failure").inc()
        details: Any = None if isinstance(error, PipelineError) else error
        problem = problem_of(error)
        logger.error("%s version %s cannot be served: %s", version.name, version.version, problem, exc_info=details)
