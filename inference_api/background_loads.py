"""Loads that keep nobody waiting: storage that hangs may take minutes, and other models are promoted meanwhile."""

import threading
from concurrent.futures import Future, wait

from inference_api.model_loader import ModelLoader
from inference_api.model_state import is_same
from inference_api.predictor import Predictor
from inference_api.registry_reader import RegistryReader
from pipeline.model_version import VersionInfo

# What is waited for a load: promotions take a tenth of a second.
LONG_LOAD_SECONDS = 5.0

Loaded = tuple[Predictor, str]


class StillLoading(Exception):
    """A load takes long, and goes on; its result is there for who asks again."""


class BackgroundLoads:
    """One load of each model, in a thread of its own. Used by one thread at a time."""

    def __init__(self, loader: ModelLoader) -> None:
        self._loader = loader
        self._under_way: dict[str, tuple[VersionInfo, Future[Loaded]]] = {}

    def is_loading(self, version: VersionInfo) -> bool:
        """Whether a load of this version was begun, and its result has not been taken."""
        known = self._under_way.get(version.name)
        return known is not None and is_same(known[0], version)

    def load(self, registry: RegistryReader, version: VersionInfo, *, patient: bool) -> Loaded:
        """The predictor of a version and the digest of its files.

        Parameters
        ----------
        patient : whether to wait some seconds for a load that is under way, as for one that begins.

        Raises
        ------
        StillLoading
            It takes longer.
        Exception
            Of any kind: the registry or the artifact is not as it should be.
        """
        begins = not self.is_loading(version)
        if begins:
            self._under_way[version.name] = (version, self._begin(registry, version))
        _, loading = self._under_way[version.name]
        wait([loading], LONG_LOAD_SECONDS if patient or begins else 0)
        if not loading.done():
            raise StillLoading
        del self._under_way[version.name]
        return loading.result()

    def forget(self, name: str) -> None:
        """Leave a model's load, if there is one, to itself: another version is wanted by now."""
        self._under_way.pop(name, None)

    def _begin(self, registry: RegistryReader, version: VersionInfo) -> "Future[Loaded]":
        loading: Future[Loaded] = Future()

        def run() -> None:
            try:
                loading.set_result(self._loader.load(registry, version))
            except Exception as error:
                loading.set_exception(error)

        # No thread of a pool: those are waited for when the process ends.
        threading.Thread(target=run, name=f"load-{version.name}", daemon=True).start()
        return loading
