"""The model card: what a person should know before relying on a model, in Markdown.

References
----------
Mitchell, M. et al. (2019). Model Cards for Model Reporting. FAT* '19.
"""

from collections.abc import Mapping, Sequence

from pipeline.bootstrap import MIN_GROUP_ROWS
from pipeline.bundle import BundleColumn
from pipeline.dataset import Snapshot
from pipeline.evaluation import CONFIDENCE, Evaluation
from pipeline.export import ParityReport
from pipeline.markdown import table
from pipeline.use_case import UseCase

SHOWN_VALUES = 5


def write_model_card(
    use_case: UseCase,
    snapshot: Snapshot,
    evaluation: Evaluation,
    importances: Mapping[str, float],
    parity: ParityReport,
    parameters: Mapping[str, str],
    git_sha: str,
    columns: Sequence[BundleColumn],
) -> str:
    """Markdown of the card, all but the decision on the model, which `pipeline.decision_card` adds.

    Parameters
    ----------
    parameters : the estimator's, as logged.
    columns : the features, with the statistics of the training rows.
    """
    sections = [
        f"# {use_case.title}\n\n{use_case.description}\n\nPredicts `{use_case.target.name}` "
        f"({use_case.task}) from {len(use_case.features)} columns.",
        _data(snapshot),
        _columns(columns),
        "## Model\n\n" + table(("parameter", "value"), parameters.items()) + f"\n\nCode: `{git_sha}`.",
        _scores(evaluation),
        _classes(use_case, evaluation),
        _segments(evaluation),
        "## What it relies on\n\nLoss of "
        f"{evaluation.metric} when a column is shuffled.\n\n"
        + table(("column", "loss"), ((name, f"{value:.4g}") for name, value in list(importances.items())[:12])),
        _limits(parity, columns),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _data(snapshot: Snapshot) -> str:
    rows = [
        ("snapshot", f"`{snapshot.digest}`"),
        ("file", f"`{snapshot.uri}`"),
        ("taken", snapshot.created_at.isoformat(timespec="seconds")),
        ("rows trained on", str(snapshot.train_rows)),
        ("rows held out", str(snapshot.holdout_rows)),
        ("batches (group/epoch/batch)", ", ".join(snapshot.batch_ids) or "none recorded"),
    ]
    return (
        "## Data\n\n" + table(("", ""), rows) + "\n\nA row is held out by its own hash, for this and every later model."
    )


def _columns(columns: Sequence[BundleColumn]) -> str:
    rows = []
    for column in columns:
        learned, declared = column.statistics, ""
        if column.minimum is not None or column.maximum is not None:
            declared = f"{_bound(column.minimum)} to {_bound(column.maximum)}"
        elif column.categories:
            declared = f"{len(column.categories)} categories"
        found = "no value"
        if learned.minimum is not None and learned.maximum is not None:
            found = f"{learned.minimum:g} to {learned.maximum:g}, median {learned.median:g}"
        elif learned.frequencies:
            found = ", ".join(f"{name} {share:.0%}" for name, share in list(learned.frequencies.items())[:SHOWN_VALUES])
        rows.append((column.name, column.type, column.unit or "", declared, found, f"{learned.missing_share:.1%}"))
    heading = ("column", "type", "unit", "declared", "in the training rows", "missing")
    return "## Columns\n\n" + table(heading, rows)


def _bound(limit: float | None) -> str:
    return "any" if limit is None else f"{limit:g}"


def _scores(evaluation: Evaluation) -> str:
    rows = []
    for name, value in evaluation.metrics.items():
        low, high = evaluation.intervals.get(name, (None, None))
        interval = f"{low:.4g} to {high:.4g}" if low is not None and high is not None else ""
        baseline = evaluation.baseline.get(name)
        rows.append((name, f"{value:.4g}", interval, f"{baseline:.4g}" if baseline is not None else ""))
    heading = f"## Scores on {evaluation.rows} held-out rows\n\nModels are compared by {evaluation.metric}.\n\n"
    return heading + table(("metric", "value", f"{CONFIDENCE:.0%} interval", "baseline"), rows)


def _classes(use_case: UseCase, evaluation: Evaluation) -> str:
    if not evaluation.classes:
        return ""
    names = use_case.target.categories or {}
    rows = [
        (
            f"{score.name}: {names[score.name]}",
            str(score.rows),
            *(f"{v:.3f}" for v in (score.precision, score.recall, score.f1)),
        )
        for score in evaluation.classes
    ]
    return "## Classes\n\n" + table(("class", "rows", "precision", "recall", "F1"), rows)


def _segments(evaluation: Evaluation) -> str:
    if not evaluation.segments:
        return ""
    rows = [(f"{s.column} = {s.value}", str(s.rows), f"{s.score:.4g}") for s in evaluation.segments]
    return "## Segments\n\n" + table(("segment", "rows", evaluation.metric), rows)


def _limits(parity: ParityReport, columns: Sequence[BundleColumn]) -> str:
    verdict = "passed" if parity.passed else "FAILED, this version must not be promoted"
    silent = [column.name for column in columns if _says_nothing(column)]
    learned = (
        f"- It learned nothing from {', '.join(silent)}: without a value, or with one only, in the training rows.\n"
        if silent
        else ""
    )
    return (
        "## Limits\n\n"
        "- Valid for rows like those it was trained on: ranges and frequencies are in `serving/bundle.json`.\n"
        f"- A class or segment of fewer than {MIN_GROUP_ROWS} held-out rows was not judged by itself.\n"
        f"{learned}"
        "- Intervals cover the choice of the held-out rows, not a change of the world since.\n"
        f"- Served as ONNX. Parity with scikit-learn {verdict}: {parity.label_flips} of {parity.rows} rows differ, "
        f"largest difference {parity.max_difference:.2g}."
    )


def _says_nothing(column: BundleColumn) -> bool:
    found = column.statistics
    if column.is_numeric:
        return found.minimum is None or (found.minimum == found.maximum and not found.missing_share)
    values = len(found.frequencies or {}) + (found.missing_share > 0)
    return values < 2
