"""The model card: what a person should know before relying on a model, in Markdown.

References
----------
Mitchell, M. et al. (2019). Model Cards for Model Reporting. FAT* '19.
"""

from collections.abc import Iterable, Mapping

from pipeline.dataset import Snapshot
from pipeline.evaluation import CONFIDENCE, Evaluation
from pipeline.export import ParityReport
from pipeline.use_case import UseCase


def write_model_card(
    use_case: UseCase,
    snapshot: Snapshot,
    evaluation: Evaluation,
    importances: Mapping[str, float],
    parity: ParityReport,
    parameters: Mapping[str, str],
    git_sha: str,
) -> str:
    """Markdown of the card.

    Parameters
    ----------
    parameters : the estimator's, as logged.
    """
    sections = [
        f"# {use_case.title}\n\n{use_case.description}\n\nPredicts `{use_case.target.name}` "
        f"({use_case.task}) from {len(use_case.features)} columns.",
        _data(snapshot),
        "## Model\n\n" + _table(("parameter", "value"), parameters.items()) + f"\n\nCode: `{git_sha}`.",
        _scores(evaluation),
        _classes(use_case, evaluation),
        _segments(evaluation),
        "## What it relies on\n\nLoss of "
        f"{evaluation.metric} when a column is shuffled.\n\n"
        + _table(("column", "loss"), ((name, f"{value:.4g}") for name, value in list(importances.items())[:12])),
        _limits(parity),
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
        "## Data\n\n"
        + _table(("", ""), rows)
        + "\n\nA row is held out by its own hash, for this and every later model."
    )


def _scores(evaluation: Evaluation) -> str:
    rows = []
    for name, value in evaluation.metrics.items():
        low, high = evaluation.intervals.get(name, (None, None))
        interval = f"{low:.4g} to {high:.4g}" if low is not None and high is not None else ""
        baseline = evaluation.baseline.get(name)
        rows.append((name, f"{value:.4g}", interval, f"{baseline:.4g}" if baseline is not None else ""))
    heading = f"## Scores on {evaluation.rows} held-out rows\n\nModels are compared by {evaluation.metric}.\n\n"
    return heading + _table(("metric", "value", f"{CONFIDENCE:.0%} interval", "baseline"), rows)


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
    return "## Classes\n\n" + _table(("class", "rows", "precision", "recall", "F1"), rows)


def _segments(evaluation: Evaluation) -> str:
    if not evaluation.segments:
        return ""
    rows = [(f"{s.column} = {s.value}", str(s.rows), f"{s.score:.4g}") for s in evaluation.segments]
    return "## Segments\n\n" + _table(("segment", "rows", evaluation.metric), rows)


def _limits(parity: ParityReport) -> str:
    verdict = "passed" if parity.passed else "FAILED, this version must not be promoted"
    return (
        "## Limits\n\n"
        "- Valid for rows like those it was trained on: ranges and frequencies are in `serving/bundle.json`.\n"
        "- Intervals cover the choice of the held-out rows, not a change of the world since.\n"
        f"- Served as ONNX. Parity with scikit-learn {verdict}: {parity.label_flips} of {parity.rows} rows differ, "
        f"largest difference {parity.max_difference:.2g}."
    )


def _table(heading: tuple[str, ...], rows: Iterable[Iterable[str]]) -> str:
    lines = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
