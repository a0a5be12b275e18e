"""Where the fits of a search run: threads of this process, or the workers of a Dask cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from joblib import parallel_config

from pipeline.errors import ConfigurationError

TIMEOUT_SECONDS = 30


@contextmanager
def search_cluster(address: str | None, timeout: float = TIMEOUT_SECONDS) -> Iterator[None]:
    """Run what joblib runs in the block on the Dask cluster of that scheduler; without an address, here.

    The workers need this code and the libraries of its lock file: another version may give another model.

    Parameters
    ----------
    address : of the scheduler, ``tcp://host:8786``; empty or None is no cluster.
    timeout : seconds to wait for the scheduler, and for its first worker.

    Raises
    ------
    ConfigurationError
        Dask is not installed, nothing answers at the address, or the cluster has no worker.
    """
    if not address:
        yield
        return
    try:
        from distributed import Client
    except ImportError:
        raise ConfigurationError(
            "DASK_SCHEDULER_ADDRESS is set, but Dask is not installed: add the dependency group 'cluster' "
            "(uv sync --group cluster), or leave the setting empty"
        ) from None
    advice = f"check DASK_SCHEDULER_ADDRESS ({address}), or leave it empty to search on this machine"
    try:
        client = Client(address, timeout=timeout, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"no Dask scheduler answers ({error}): {advice}") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=timeout)
        except TimeoutError:
            raise ConfigurationError(
                f"the Dask cluster has no worker: start `dask worker {address}`; {advice}"
            ) from None
        with parallel_config(backend="dask", client=client):
            yield
