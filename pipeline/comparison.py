"""The evidence for a promotion: what challenger and champion answer to the held-out rows, and what the former costs."""

import json
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.bundle import BundleError
from pipeline.errors import ArtifactsGone, RegistryError
from pipeline.evaluation import baseline_predictions
from pipeline.export import ServedModel
from pipeline.gate import Evidence
from pipeline.gate_parity import Parity
from pipeline.mlflow_client import explained, global_tracking_uri
from pipeline.model_version import VersionInfo
from pipeline.registry import Registry
from pipeline.use_case import UseCase


class NotJudged(RegistryError):
    """A model cannot answer the held-out rows."""


def gather_evidence(
    use_case: UseCase,
    registry: Registry,
    challenger: VersionInfo,
    champion: VersionInfo | None,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
) -> Evidence:
    """Run both versions, in the form in which they are served, on the same held-out rows.

    Raises
    ------
    RegistryError
        MLflow cannot be used, or the challenger's artifacts are gone. Those of a champion being gone is evidence.
    """
    with _served(registry, challenger) as model:
        answers = _answers(model, holdout)
        megabytes, milliseconds = model.megabytes, model.single_row_milliseconds()
    opponent, problem = None, None
    if champion is not None:
        try:
            opponent = _champion_answers(use_case, registry, champion, holdout)
        except (ArtifactsGone, BundleError, NotJudged) as error:
            problem = _explain(champion, challenger, error)
    return Evidence(
        truth=holdout[use_case.target.name].to_numpy(),
        challenger=answers,
        champion=opponent,
        baseline=baseline_predictions(use_case, train, len(holdout)),
        parity=_parity(challenger),
        segments={c.name: holdout[c.name].to_numpy() for c in use_case.features if c.type == "category"},
        model_megabytes=megabytes,
        single_row_milliseconds=milliseconds,
        champion_version=champion.version if champion else None,
        champion_problem=problem,
    )


@contextmanager
def _served(registry: Registry, version: VersionInfo) -> Iterator[ServedModel]:
    with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
        yield ServedModel(registry.download_bundle(version, Path(folder) / "serving"))


def _answers(model: ServedModel, holdout: pd.DataFrame) -> np.ndarray:
    # A column that has left the use case since is missing to an old champion, as it would be in a request.
    names = dict.fromkeys([*holdout.columns, *(column.name for column in model.bundle.columns)])
    return model.predict(holdout.reindex(columns=list(names)))


def _champion_answers(
    use_case: UseCase, registry: Registry, champion: VersionInfo, holdout: pd.DataFrame
) -> np.ndarray:
    if "serving_digest" in champion.tags:
        with _served(registry, champion) as model:
            return _answers(model, holdout)
    return _foreign_answers(use_case, registry, champion, holdout)


def _foreign_answers(use_case: UseCase, registry: Registry, version: VersionInfo, holdout: pd.DataFrame) -> np.ndarray:
    """Of a model that was registered by other means, which has no bundle: through its MLflow flavour."""
    import mlflow.pyfunc

    uri = f"models:/{version.name}/{version.version}"
    try:
        with explained(registry.tracking_uri, f"load {uri}"), global_tracking_uri(registry.tracking_uri):
            model = mlflow.pyfunc.load_model(uri)
    except Exception as error:  # its files are gone, it needs a library that is not here, …
        registry.resolve(version.name, version.version)  # raises when it is MLflow that does not answer
        raise NotJudged(f"it was registered by other means and cannot be loaded: {error}") from error
    try:
        answers = np.asarray(model.predict(holdout[[column.name for column in use_case.features]])).ravel()
        if len(answers) != len(holdout):
            raise ValueError(f"{len(answers)} answers to {len(holdout)} rows")
        return answers.astype(np.float64) if use_case.task == "regression" else answers.astype(str).astype(object)
    except Exception as error:  # a foreign model may raise anything
        raise NotJudged(f"it was registered by other means and does not take these rows: {error}") from error


def _explain(champion: VersionInfo, challenger: VersionInfo, error: Exception) -> str:
    name = champion.name
    return (
        f"the champion, version {champion.version}, cannot be judged: {error}. It stays: restore its artifacts, go "
        f"back with `mlops rollback {name}`, or promote by hand with `mlops promote {name} "
        f"--version {challenger.version}`"
    )


def _parity(version: VersionInfo) -> Parity | None:
    """From the parity report that the version was registered with; None when there is none that means anything."""
    try:
        report = json.loads(version.tags.get("parity", "{}"))
    except ValueError:
        return None
    if not isinstance(report, dict) or not report.get("rows") or not math.isfinite(report.get("max_difference") or 0):
        return None
    return Parity(report["label_flips"] / report["rows"], float(report.get("probability_difference", 0.0)))
