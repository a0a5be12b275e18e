"""What the fake API knows of its models' versions: evaluations, decisions, history, cards, explanations, many rows."""

import math
from typing import Any

from pipeline.use_case import UseCase

METRICS: dict[str, dict[str, float]] = {
    "covertype": {"accuracy": 0.8712, "f1_macro": 0.8021, "log_loss": 0.41},
    "penguins": {"accuracy": 0.9865, "f1_macro": 0.9821},
    "house_prices": {"rmse": 201345.2, "mae": 81234.9, "r2": 0.612},
}
CHAMPION, REJECTED, FIRST = 2, 3, 1
# How good a version is, beside the champion; of errors, more is worse.
QUALITY = {FIRST: 0.9, CHAMPION: 1.0, REJECTED: 0.98}
ERRORS = ("rmse", "mae", "log_loss")
NOT_BETTER = (
    "the challenger's {metric} is lower than the champion's by 0.017 (95 % interval -0.031 to -0.004); "
    "it must be higher with a probability of 95 %"
)
ENOUGH_ROWS = "512 held-out rows (at least 50 are needed to judge a model)"
PARITY = "exported model and scikit-learn disagree on 0.000% of held-out rows (limit 0.1%)"


def metrics_of(name: str, version: int) -> dict[str, float]:
    """Metrics of one version on the held-out rows."""
    quality = QUALITY[version]
    return {metric: value / quality if metric in ERRORS else value * quality for metric, value in METRICS[name].items()}


def version_line(name: str, number: int, champion: int) -> dict[str, Any]:
    """One entry of ``versions`` in ``GET /models/{name}``."""
    return {
        "version": number,
        "aliases": ["champion"] if number == champion else ["challenger"] if number == REJECTED else [],
        "stage": "Production" if number == champion else "Archived" if number == FIRST else "None",
        "metrics": metrics_of(name, number),
        "created_at": f"2026-11-2{number}T10:30:00Z",
    }


def decision_of(use_case: UseCase, version: int) -> dict[str, Any]:
    """What was decided about a version."""
    metric, accepted = use_case.training.metric, version != REJECTED
    against = "the champion" if version != FIRST else "the baseline"
    beats = f"the challenger's {metric} is better than {against}'s" if accepted else NOT_BETTER.format(metric=metric)
    checks = [
        {"name": "holdout_rows", "passed": True, "detail": ENOUGH_ROWS, "value": 512, "limit": 50},
        {"name": "parity", "passed": True, "detail": PARITY, "value": 0.0, "limit": 0.001},
        {"name": f"beats_{'champion' if version != FIRST else 'baseline'}", "passed": accepted, "detail": beats},
    ]
    ours = metrics_of(use_case.name, version)[metric]
    theirs = metrics_of(use_case.name, FIRST if version == CHAMPION else CHAMPION)[metric]
    gain = abs(ours - theirs) * (1 if accepted else -1)
    return {
        "accepted": accepted,
        "checks": checks,
        "reasons": [check["detail"] for check in checks if accepted or not check["passed"]],
        "metric": metric,
        "rows": 512,
        "opponent": "baseline" if version == FIRST else "champion",
        "opponent_version": None if version == FIRST else FIRST if version == CHAMPION else CHAMPION,
        "challenger_score": ours,
        "opponent_score": theirs,
        "gain": gain,
        "gain_interval": [gain - abs(gain) / 2, gain + abs(gain) / 2],
        "confidence": 0.95,
    }


def history_of(use_case: UseCase) -> dict[str, Any]:
    """``GET /models/{name}/history``: version 1 and 2 promoted, version 3 not."""
    steps = [
        ("reject", CHAMPION, REJECTED, "2026-11-23T10:31:00Z"),
        ("promote", FIRST, CHAMPION, "2026-11-22T10:31:00Z"),
        ("promote", None, FIRST, "2026-11-21T10:31:00Z"),
    ]
    decisions = {to: decision_of(use_case, to) for _, _, to, _ in steps}
    return {
        "promotions": [
            {
                "at": at,
                "action": action,
                "from_version": before,
                "to_version": to,
                "actor": "airflow",
                "reason": "; ".join(decisions[to]["reasons"]),
                "decision": decisions[to],
            }
            for action, before, to, at in steps
        ],
        "training_decisions": [
            {
                "at": "2026-11-23T10:29:00Z",
                "train": True,
                "reasons": ["1,812 new rows are 64 % of the 2,831 trained on (at least 60 %)"],
                "numbers": {"new_rows": 1812},
            },
            {
                "at": "2026-11-23T10:24:00Z",
                "train": False,
                "reasons": ["1,214 new rows are 43 % of the 2,831 trained on (at least 60 %)"],
                "numbers": {"new_rows": 1214},
            },
        ],
    }


def version_details(use_case: UseCase, version: int, champion: int) -> dict[str, Any]:
    """``GET /models/{name}/versions/{version}``."""
    metrics = metrics_of(use_case.name, version)
    line = version_line(use_case.name, version, champion)
    intervals = {name: [value * 0.97, value * 1.03] for name, value in metrics.items()}
    return {
        **line,
        "name": use_case.name,
        "run_id": f"{version:032x}",
        "dataset_digest": "5f2c",
        "git_sha": "0123abc",
        "rows": 2831,
        "intervals": intervals,
        "evaluation": _evaluation(use_case, metrics, intervals),
        "model_card": f"# {use_case.title}\n\nPredicts `{use_case.target.name}`.\n\n## Data\n\n| | |\n|---|---|\n"
        "| rows trained on | 2831 |\n\n## Limits\n\n- Valid for rows like those it was trained on.\n",
        "decision": decision_of(use_case, version),
        "problem": None,
    }


def _evaluation(use_case: UseCase, metrics: dict[str, float], intervals: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "rows": 512,
        "metric": use_case.training.metric,
        "metrics": metrics,
        "intervals": intervals,
        "baseline": {name: value * 0.5 for name, value in metrics.items()},
        "classes": [],
        "confusion": [],
        "segments": [],
        "residuals": [],
    }
    if use_case.task == "regression":
        truths = [90_000 + 7_000 * step for step in range(80)]
        wrong = [[truth, truth * (1 + 0.25 * math.sin(index * 1.7))] for index, truth in enumerate(truths)]
        return {**found, "residuals": wrong}
    classes = use_case.classes
    found["confusion"] = [[60 if i == j else (i + 2 * j) % 5 for j in range(len(classes))] for i in range(len(classes))]
    found["classes"] = [
        {"name": name, "rows": sum(row), "precision": 0.81, "recall": 0.84, "f1": 0.82}
        for name, row in zip(classes, found["confusion"], strict=True)
    ]
    found["segments"] = [
        {"column": column.name, "value": value, "rows": 40 + 3 * index, "score": 0.7 + 0.05 * (index % 5)}
        for column in use_case.features
        for index, value in enumerate(column.categories or {})
        if index < 4
    ]
    return found


def explanation_of(use_case: UseCase, answer: dict[str, Any]) -> dict[str, Any]:
    """Contributions that add up, the first feature's the largest, every third negative."""
    probabilities = answer["probabilities"]
    value = probabilities[str(answer["prediction"])] if probabilities else answer["prediction"]
    base = value / 4
    names = [column.name for column in use_case.features]
    weights = [(-0.4 if index % 3 == 1 else 1.0) / 2**index for index in range(len(names))]
    scale = (value - base) / sum(weights)
    output = f"probability of {answer['prediction']}" if probabilities else "prediction"
    return {
        "method": "shapley",
        "reference": "typical record",
        "output": output,
        "base_value": base,
        "value": value,
        "contributions": {name: weight * scale for name, weight in zip(names, weights, strict=True)},
    }


def predict_columns(answer: dict[str, Any], columns: dict[str, list[Any]]) -> dict[str, Any]:
    """Predictions of many records, which rise with the row's number so that order can be seen."""
    rows = len(next(iter(columns.values())))
    if not answer["probabilities"]:
        return {"prediction": [answer["prediction"] + index for index in range(rows)]}
    shares = [0.5 + 0.4 * index / max(1, rows - 1) for index in range(rows)]
    others = len(answer["probabilities"]) - 1
    probabilities = {
        name: [share if name == str(answer["prediction"]) else (1 - share) / others for share in shares]
        for name in answer["probabilities"]
    }
    return {
        "prediction": [answer["prediction"]] * rows,
        "label": [answer["label"]] * rows,
        "probabilities": probabilities,
    }
