"""Proves that a version is what its run says: fitted again on its snapshot, it predicts the same."""

import ast
import math
import platform
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
from pydantic import ValidationError
from sklearn.base import BaseEstimator

from pipeline.bootstrap import metric_value
from pipeline.errors import PipelineError
from pipeline.export import ServedModel, compare
from pipeline.findings import Findings
from pipeline.mlflow_client import explained, open_client, read_texts
from pipeline.model_version import VersionInfo
from pipeline.preprocessing import unwrap
from pipeline.registry import Registry
from pipeline.search_space import Candidate
from pipeline.snapshot_audit import AuditedSnapshot
from pipeline.tracking import LIBRARY_TAG, USE_CASE_FILE, load_model
from pipeline.training import RUN_PARAMETERS, fit
from pipeline.use_case import EstimatorName, UseCase

if TYPE_CHECKING:
    from mlflow.entities import Run


def audit_model(
    use_case: UseCase,
    registry: Registry,
    version: VersionInfo,
    run: "Run",
    rows: AuditedSnapshot,
    findings: Findings,
    *,
    jobs: int | None,
) -> float | None:
    """Check the model, its serving bundle and its scores; fit it again and compare.

    Parameters
    ----------
    jobs : threads of the fit; None leaves it out.

    Returns
    -------
    float or None
        The metric of the served model on the held-out rows, which its promotion was decided on.
    """
    logged = _logged_use_case(registry, run, findings)
    trained_as = logged or use_case
    columns = {column.name for column in [*trained_as.features, trained_as.target]}
    if absent := sorted(columns - set(rows.holdout.columns)):
        findings.unproved.append(
            f"what its model answers: the use case has columns by now that its snapshot has not, {', '.join(absent)}"
        )
        return None
    metric = trained_as.training.metric
    truth = rows.holdout[trained_as.target.name].to_numpy()
    features = rows.holdout[[column.name for column in trained_as.features]]
    try:
        stored = load_model(open_client(registry.tracking_uri), run.info.run_id, registry.tracking_uri)
        value = metric_value(metric, truth, stored.predict(features))
    except Exception as error:  # a model of other libraries may fail in any way
        other = _other_libraries(run.data.tags)
        if isinstance(error, PipelineError) or not other:
            findings.problems.append(f"its model: {error}")
        else:
            findings.unproved.append(f"what its model answers: it was fitted with {other} ({error})")
        return None
    for where, found in (("its run", run.data.metrics.get(metric)), ("its tags", version.metrics.get(metric))):
        if found is not None and not math.isclose(found, value, rel_tol=1e-9):
            findings.problems.append(f"{where} says {metric} {found:.6g}, its model reaches {value:.6g}")
    served = _audit_bundle(trained_as, registry, version, stored, rows.holdout, findings)
    if jobs is not None:
        _audit_refit(trained_as, logged is not None, run, stored, rows.train, features, findings, jobs)
    else:
        findings.unproved.append("that fitting it again gives the same model: not tried (--no-refit)")
    return None if served is None else metric_value(metric, truth, served.predict(rows.holdout))


def _logged_use_case(registry: Registry, run: "Run", findings: Findings) -> UseCase | None:
    """The use case as it was when the run began; None for a run that did not log it."""
    with explained(registry.tracking_uri, f"read {USE_CASE_FILE} of run {run.info.run_id}"):
        found = read_texts(open_client(registry.tracking_uri), run.info.run_id, [USE_CASE_FILE])
    if not found:
        findings.unproved.append("that the use case is the one it was trained with: its run did not log it")
        return None
    try:
        return UseCase.model_validate_json(found[USE_CASE_FILE])
    except ValidationError:
        findings.unproved.append("that the use case is the one it was trained with: its form is of another release")
        return None


def _audit_bundle(
    use_case: UseCase,
    registry: Registry,
    version: VersionInfo,
    stored: BaseEstimator,
    holdout: pd.DataFrame,
    findings: Findings,
) -> ServedModel | None:
    """The bundle is the registered one, of this run and these rows, and answers as the model does."""
    with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
        try:
            served = ServedModel(registry.download_bundle(version, Path(folder) / "serving"))
        except PipelineError as error:
            findings.problems.append(f"its serving bundle: {error}")
            return None
    digest = version.tags.get("serving_digest")
    if digest is None:
        findings.unproved.append("that its serving bundle is the registered one: it has no tag serving_digest")
    parity = compare(stored, served, use_case, holdout)
    same_run = findings.require(
        served.bundle.run_id == version.run_id, f"its serving bundle is of run {served.bundle.run_id}"
    )
    differs = f"its serving bundle answers {parity.label_flips} of {parity.rows} held-out rows otherwise than its model"
    if findings.require(parity.passed, differs) and same_run and digest is not None:
        findings.proved.append(f"its serving bundle {digest[:12]} is the registered one and answers as its model does")
    return served


def _audit_refit(
    use_case: UseCase,
    is_logged: bool,
    run: "Run",
    stored: BaseEstimator,
    train: pd.DataFrame,
    features: pd.DataFrame,
    findings: Findings,
    jobs: int,
) -> None:
    params = run.data.params
    if params.get("estimator") not in get_args(EstimatorName) or "seed" not in params:
        findings.unproved.append("that fitting it again gives the same model: its run logged no estimator and seed")
        return
    try:
        again = fit(_with_parameters(use_case, params), logged_candidate(params), train, jobs)
    except (PipelineError, ValueError) as error:
        findings.problems.append(f"it cannot be fitted again with the logged parameters: {error}")
        return
    wrong = _other_settings(again, stored)
    findings.problems += [
        f"parameter {name} is logged as {ours}, its model has {theirs}" for name, ours, theirs in wrong
    ]
    different = sum(
        int((np.asarray(ours) != np.asarray(theirs)).reshape(len(features), -1).any(axis=1).sum())
        for ours, theirs in _answers(again, stored, features)
    )
    if not different:
        findings.proved.append(
            f"fitted again with the logged parameters it predicts the same, exactly, on {len(features)} held-out rows"
        )
        return
    found = f"fitted again with the logged parameters it predicts otherwise on {different} held-out rows"
    tags = run.data.tags
    if other := _other_libraries(tags):
        # Nobody promises the same sums of another release, or on another machine.
        findings.unproved.append(f"that it can be reproduced: {found}; it was fitted with {other}")
    elif not is_logged:
        findings.unproved.append(f"that it can be reproduced: {found}, with the use case as it is today")
    else:
        known = any(name.startswith(LIBRARY_TAG) for name in tags)
        libraries = "the libraries are those it was fitted with" if known else "its run names no libraries"
        findings.problems.append(f"{found}; {libraries}")


def logged_candidate(params: Mapping[str, str]) -> Candidate:
    """The estimator and its parameters as a run logged them: texts, of which Python's literals get their value back."""
    values = {name: _value(text) for name, text in params.items() if name not in RUN_PARAMETERS}
    estimator: Any = params["estimator"]
    return Candidate(estimator, values)


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _with_parameters(use_case: UseCase, params: Mapping[str, str]) -> UseCase:
    """The use case with the seed and target of the run."""
    logged = {"seed": int(params["seed"]), "log_target": params.get("log_target", "False") == "True"}
    return use_case.model_copy(update={"training": use_case.training.model_copy(update=logged)})


def _other_settings(again: BaseEstimator, stored: BaseEstimator) -> list[tuple[str, Any, Any]]:
    """Plain settings of the estimators in which two models differ; the threads are not among them."""
    ours, theirs = (unwrap(model)[-1].get_params() for model in (again, stored))
    plain = (bool, int, float, str, type(None))
    names = sorted(name for name in set(ours) & set(theirs) if name != "n_jobs" and isinstance(ours[name], plain))
    return [(name, ours[name], theirs[name]) for name in names if ours[name] != theirs[name]]


def _answers(again: BaseEstimator, stored: BaseEstimator, features: pd.DataFrame) -> list[tuple[Any, Any]]:
    """Probabilities of a classification, which decide its classes; else the predictions."""
    method = "predict_proba" if hasattr(stored, "predict_proba") else "predict"
    return [(getattr(again, method)(features), getattr(stored, method)(features))]


def _other_libraries(tags: Mapping[str, str]) -> str:
    """How the libraries here differ from those of a run; empty when they do not, or when it did not log them."""
    logged = {key.removeprefix(LIBRARY_TAG): value for key, value in tags.items() if key.startswith(LIBRARY_TAG)}
    other = [f"{name} {value}, here {here}" for name, value in logged.items() if (here := _installed(name)) != value]
    return "; ".join(other)


def _installed(name: str) -> str:
    if name in ("python", "machine"):
        return platform.python_version() if name == "python" else platform.machine()
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
