"""Judging a trained run: evaluate its model, export it for serving, and add both to its MLflow run."""

import re
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict

from pipeline.bundle import bundle_digest
from pipeline.dataset import Snapshot
from pipeline.evaluation import Evaluation, evaluate, feature_importances
from pipeline.export import ParityReport, ServedModel, export_bundle
from pipeline.mlflow_client import explained, open_client
from pipeline.model_card import write_model_card
from pipeline.plots import draw_plots
from pipeline.tracking import MODEL_URI_TAG, load_model, log_values
from pipeline.use_case import UseCase
from pipeline.version_documents import EVALUATION, MODEL_CARD

BUNDLE_FOLDER = "serving"
# MLflow takes 250 characters; a prefix and a suffix go with it.
MAX_NAME_LENGTH = 150


class JudgedRun(BaseModel):
    """A model with all that is known of it, ready to be registered. JSON-able, to pass between tasks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    use_case: str
    run_id: str
    model_uri: str
    dataset_digest: str
    serving_digest: str
    git_sha: str
    evaluation: Evaluation
    parity: ParityReport


def evaluate_run(
    use_case: UseCase,
    run_id: str,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    snapshot: Snapshot,
    tracking_uri: str,
) -> JudgedRun:
    """Judge the model of a run on the held-out rows; log metrics, plots, the model card and the serving bundle.

    Running it again replaces what it logged.

    Raises
    ------
    RegistryError
        MLflow cannot be used, or the run has no model.
    """
    client = open_client(tracking_uri)
    model = load_model(client, run_id, tracking_uri)
    predicted = model.predict(holdout[[column.name for column in use_case.features]])
    evaluation = evaluate(use_case, train, holdout, predicted)
    with (
        tempfile.TemporaryDirectory(prefix="bundle-") as name,
        explained(tracking_uri, f"log the judgement of run {run_id}"),
    ):
        folder = Path(name)
        run = client.get_run(run_id)
        parity = export_bundle(
            model,
            use_case,
            train,
            holdout,
            folder,
            metrics=evaluation.metrics,
            dataset_digest=snapshot.digest,
            run_id=run_id,
            # The run's own time: judged again, it must give the bundle that its version was registered with.
            created_at=datetime.fromtimestamp(run.info.start_time / 1000, UTC).isoformat(timespec="seconds"),
        )
        served = ServedModel(folder)
        importances = feature_importances(use_case, served, holdout)
        figures = draw_plots(use_case, evaluation, importances, holdout[use_case.target.name].to_numpy(), predicted)
        for file, figure in figures.items():
            client.log_figure(run_id, figure, f"plots/{file}")
        git_sha = run.data.tags.get("git_sha", "unknown")
        card = write_model_card(
            use_case, snapshot, evaluation, importances, parity, run.data.params, git_sha, served.bundle.columns
        )
        client.log_text(run_id, card, MODEL_CARD)
        client.log_dict(run_id, evaluation.model_dump(mode="json"), EVALUATION)
        client.log_artifacts(run_id, str(folder), BUNDLE_FOLDER)
        log_values(client, run_id, _metrics(evaluation, parity) | _cost(served))
        return JudgedRun(
            use_case=use_case.name,
            run_id=run_id,
            model_uri=run.data.tags[MODEL_URI_TAG],
            dataset_digest=snapshot.digest,
            serving_digest=bundle_digest(folder),
            git_sha=git_sha,
            evaluation=evaluation,
            parity=parity,
        )


def metric_names(classes: Iterable[str]) -> list[str]:
    """A part of a metric's name for each class, in letters that MLflow takes; two classes never share one."""
    names = list(classes)
    safe_names = [re.sub(r"[^\w.\- :]", "_", name)[:MAX_NAME_LENGTH] for name in names]
    taken = set(names) & set(safe_names)
    for index, name in enumerate(names):
        if safe_names[index] != name:
            while safe_names[index] in taken:
                safe_names[index] += f"_{index}"
            taken.add(safe_names[index])
    return safe_names


def _metrics(evaluation: Evaluation, parity: ParityReport) -> dict[str, float]:
    """Metrics of the run: the held-out ones by their plain names."""
    values: dict[str, float] = dict(evaluation.metrics)
    for name, (low, high) in evaluation.intervals.items():
        values |= {f"{name}_low": low, f"{name}_high": high}
    values |= {f"baseline_{name}": value for name, value in evaluation.baseline.items()}
    names = metric_names(score.name for score in evaluation.classes)
    for score, name in zip(evaluation.classes, names, strict=True):
        values |= {f"precision_class_{name}": score.precision, f"recall_class_{name}": score.recall}
    return values | {
        "holdout_rows": evaluation.rows,
        "parity_label_flips": parity.label_flips,
        "parity_label_flip_share": parity.label_flips / max(parity.rows, 1),
        "parity_max_difference": parity.max_difference,
        "parity_probability_difference": parity.probability_difference,
    }


def _cost(served: ServedModel) -> dict[str, float]:
    """Size of the served model, and what one row costs it here."""
    return {"onnx_megabytes": served.megabytes, "single_row_milliseconds": served.single_row_milliseconds()}
