"""Versions that requests ask for by number or alias: loaded in a thread, the least recently used ones unloaded."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from inference_api.errors import Refusal
from inference_api.model_state import Failures, shown_problem
from inference_api.predictor import Predictor
from pipeline.model_version import VersionInfo

# What a request waits for a version to be loaded; it goes on loading, for the next request to find it.
WAIT_SECONDS = 3.0
RETRY_AFTER_SECONDS = 2
FIRST_PAUSE_SECONDS = 5.0
# Versions that may wait for the loading thread, requests that may wait for them, failures that are remembered.
MOST_LOADING = 16
MOST_WAITING = 256
MOST_FAILURES = 256

Key = tuple[str, int, str]


class VersionPool:
    """Loaded versions beside the champions.

    Parameters
    ----------
    load : from a version to its predictor; called in a thread of the pool.
    size : versions that are kept loaded.
    """

    def __init__(self, load: Callable[[VersionInfo], Predictor], size: int) -> None:
        self._load = load
        self._size = size
        self._loaded: OrderedDict[Key, Predictor] = OrderedDict()
        # What comes of a load: the predictor, or what is wrong.
        self._loading: dict[Key, Future[Predictor | str]] = {}
        self._failed: OrderedDict[Key, tuple[Failures, str]] = OrderedDict()
        self._lock = threading.Lock()
        self._waiting = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="version-pool")

    @property
    def loaded(self) -> list[tuple[str, int]]:
        """Names and versions in memory, the least recently used first."""
        with self._lock:
            return [(name, version) for name, version, _ in self._loaded]

    async def get(self, info: VersionInfo) -> Predictor:
        """The predictor of a version.

        Raises
        ------
        Refusal
            503: it is still loading, or cannot be loaded; 429: too many wait for such versions already.
        """
        key = (info.name, info.version, info.run_id)
        with self._lock:
            predictor = self._loaded.get(key)
            if predictor is not None:
                self._loaded.move_to_end(key)
                return predictor
            loading = self._begin(key, info)
        label = f"version {info.version} of {info.name}"
        if self._waiting >= MOST_WAITING:
            raise Refusal(429, f"too many requests wait for models to be loaded, {label} among them", retry_after=1)
        self._waiting += 1
        try:
            found = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(loading)), WAIT_SECONDS)
        except TimeoutError:
            message = f"{label} is being loaded; try again in a moment"
            raise Refusal(503, message, retry_after=RETRY_AFTER_SECONDS) from None
        finally:
            self._waiting -= 1
        if isinstance(found, str):
            raise _unservable(label, found, FIRST_PAUSE_SECONDS)
        return found

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _begin(self, key: Key, info: VersionInfo) -> "Future[Predictor | str]":
        """The load that is under way, or a new one."""
        if key in self._loading:
            return self._loading[key]
        label = f"version {info.version} of {info.name}"
        if key in self._failed and (pause := self._failed[key][0].remaining) > 0:
            raise _unservable(label, self._failed[key][1], pause)
        if len(self._loading) >= MOST_LOADING:
            raise Refusal(503, f"too many models are being loaded, {label} must wait", retry_after=RETRY_AFTER_SECONDS)
        loading = self._loading[key] = self._thread.submit(self._load_one, key, info)
        return loading

    def _load_one(self, key: Key, info: VersionInfo) -> Predictor | str:
        found: Predictor | str
        try:
            found = self._load(info)
        except Exception as error:  # whatever a registry or an artifact makes of it, the thread goes on
            found = shown_problem(error)
        with self._lock:
            self._loading.pop(key, None)
            failures, _ = self._failed.pop(key, (Failures(), ""))
            if isinstance(found, str):
                failures.add(FIRST_PAUSE_SECONDS)
                self._failed[key] = (failures, found)
                if len(self._failed) > MOST_FAILURES:
                    self._failed.popitem(last=False)
            else:
                self._loaded[key] = found
                while len(self._loaded) > self._size:
                    self._loaded.popitem(last=False)
        return found


def _unservable(label: str, problem: str, pause: float) -> Refusal:
    return Refusal(503, f"{label} cannot be served: {problem}", retry_after=max(1, round(pause)))
