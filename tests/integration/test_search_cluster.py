"""The model search on a real Dask scheduler and its worker."""

import dataclasses
import sys
from collections.abc import Iterator

import pytest
from distributed import LocalCluster

from pipeline.cluster import search_cluster
from pipeline.errors import ConfigurationError
from pipeline.search import CandidateResult, cross_validate
from pipeline.use_case import UseCase
from tests.synthetic_rows import penguin_rows, split_frames, with_search

FOREST = {"estimator": "random_forest", "parameters": {"n_estimators": [10], "max_depth": [1, 2, 3, None]}}


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    # TCP, as between machines: within one process Dask would hand over the arrays themselves.
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=":0"
    ) as found:
        yield found


def without_time(results: list[CandidateResult]) -> list[CandidateResult]:
    return [dataclasses.replace(result, seconds=0) for result in results]


@pytest.mark.parametrize("strategy", ["grid", "halving"])
def test_a_cluster_finds_what_this_machine_finds(penguins: UseCase, cluster: LocalCluster, strategy: str) -> None:
    train, _ = split_frames(penguins, penguin_rows())
    use_case = with_search(penguins, FOREST, strategy=strategy)
    expected = cross_validate(use_case, train, jobs=1)
    assert cluster.scheduler
    before = cluster.scheduler.transition_counter
    with search_cluster(cluster.scheduler_address):
        found = cross_validate(use_case, train)
    assert without_time(found) == without_time(expected)
    assert cluster.scheduler.transition_counter > before


def test_a_mistake_in_the_search_is_told_through_the_cluster(penguins: UseCase, cluster: LocalCluster) -> None:
    train, _ = split_frames(penguins, penguin_rows())
    broken = with_search(penguins, {"estimator": "random_forest", "parameters": {"n_estimators": [-1]}})
    with search_cluster(cluster.scheduler_address), pytest.raises(ConfigurationError, match="n_estimators"):
        cross_validate(broken, train)


def test_a_scheduler_that_does_not_answer_is_named() -> None:
    problem = r"no Dask scheduler answers .*: check DASK_SCHEDULER_ADDRESS \(tcp://127.0.0.1:9\)"
    with pytest.raises(ConfigurationError, match=problem), search_cluster("tcp://127.0.0.1:9", timeout=0.5):
        pass


def test_a_cluster_without_workers_is_named() -> None:
    empty = LocalCluster(n_workers=0, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=":0")
    problem = "has no worker: start `dask worker tcp://"
    with (
        empty,
        pytest.raises(ConfigurationError, match=problem),
        search_cluster(empty.scheduler_address, timeout=0.5),
    ):
        pass


def test_a_missing_dask_is_a_setting_to_correct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigurationError, match="dependency group 'cluster'"), search_cluster("tcp://127.0.0.1:9"):
        pass
