"""Collected data and monitoring, as the fake inference API of the UI's tests tells of them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pipeline.use_case import Column, UseCase

INTERVAL_SECONDS = 300
CLASS_SHARES = {"1": 0.37, "2": 0.48, "3": 0.06, "4": 0.01, "5": 0.02, "6": 0.03, "7": 0.03}


class FakeOperations:
    """State of the routes ``/data…`` and ``…/monitoring``, which a test may change.

    Parameters
    ----------
    fault : (status, detail) to answer to these routes, or None.
    batches : batches that have arrived; the third has duplicates and two rows in quarantine.
    epochs : how many times the source has started.
    exhausted, failed : how the last poll went.
    polled_seconds_ago : age of the last poll, None before the first.
    predictions : predictions there have been in every bucket of time; 0, nobody has asked the model yet.
    feedback : rows that the truth is known of.
    problem : what the monitoring says it could not find out.
    """

    def __init__(self, use_cases: Mapping[str, UseCase]) -> None:
        self.use_cases = use_cases
        self.fault: tuple[int, str] | None = None
        self.batches = 4
        self.epochs = 1
        self.exhausted = False
        self.failed = ""
        self.polled_seconds_ago: float | None = 45.0
        self.predictions = 120
        self.feedback = 120
        self.problem: str | None = None

    def answer(self, path: str) -> tuple[int, Any] | None:
        """Status and JSON, or None for a path of other routes."""
        split = urlsplit(path)
        parts = split.path.strip("/").split("/")
        monitoring = parts[0] == "models" and parts[2:] == ["monitoring"]
        if parts[0] != "data" and not monitoring:
            return None
        if self.fault:
            return self.fault[0], {"detail": self.fault[1]}
        if parts == ["data"]:
            return 200, {"use_cases": [self._line(use_case) for use_case in self.use_cases.values()]}
        if parts[1] not in self.use_cases:
            return 404, {"detail": f"there is no use case {parts[1]!r}"}
        use_case = self.use_cases[parts[1]]
        if monitoring:
            return 200, self._monitoring(use_case, float(parse_qs(split.query)["hours"][0]))
        if parts[2:] == ["quarantine"]:
            return 200, self._quarantine(use_case)
        if parts[2:] == ["distributions"]:
            return 200, self._distributions(use_case)
        return 200, self._collection(use_case)

    def _line(self, use_case: UseCase) -> dict[str, Any]:
        return {"name": use_case.name, "title": use_case.title, "rows": self._rows()}

    def _rows(self) -> int:
        return 581 * self.batches * self.epochs - (10 if self.batches >= 3 else 0)

    def _refused(self) -> int:
        return 2 if self.batches >= 3 else 0

    def _collection(self, use_case: UseCase) -> dict[str, Any]:
        polled = None
        if self.polled_seconds_ago is not None:
            polled = datetime.now(UTC) - timedelta(seconds=self.polled_seconds_ago)
        outcome = "failed" if self.failed else "exhausted" if self.exhausted else "delivered"
        return {
            "use_case": use_case.name,
            "title": use_case.title,
            "rows": self._rows(),
            "quarantined": self._refused(),
            "batches": [
                self._batch(epoch, number) for epoch in range(self.epochs) for number in range(1, self.batches + 1)
            ],
            "last_poll": {"at": polled.isoformat(), "outcome": outcome, "detail": self.failed} if polled else None,
            "next_poll": (polled + timedelta(seconds=INTERVAL_SECONDS)).isoformat() if polled else None,
            "interval_seconds": INTERVAL_SECONDS,
            "exhausted": self.exhausted,
        }

    def _batch(self, epoch: int, number: int) -> dict[str, Any]:
        duplicate, quarantined = (8, 2) if (epoch, number) == (0, 3) else (0, 0)
        at = datetime.now(UTC) - timedelta(minutes=5 * (self.batches - number))
        return {
            "epoch": epoch,
            "batch_number": number,
            "deliveries": 1,
            "delivered": 581,
            "accepted": 581 - duplicate - quarantined,
            "duplicate": duplicate,
            "quarantined": quarantined,
            "first_at": at.isoformat(),
            "last_at": at.isoformat(),
        }

    def _quarantine(self, use_case: UseCase) -> dict[str, Any]:
        if not self._refused():
            return {"rows": [], "total": 0, "columns": [column.name for column in use_case.columns]}
        row = [f"value {index}" for index in range(len(use_case.columns))]
        first, second = use_case.columns[:2]
        reasons = [
            {"field": first.name, "reason": "-3 is below the minimum 0"},
            {"field": second.name, "reason": "'north' is not an integer"},
        ]
        common = {"ledger_id": 3, "epoch": 0, "batch_number": 3}
        return {
            "rows": [
                {**common, "row_index": 17, "row": ["-3", "north", *row[2:]], "reasons": reasons},
                {**common, "row_index": 40, "row": ["-3", *row[1:]], "reasons": reasons[:1]},
            ],
            "total": 2,
            "columns": [column.name for column in use_case.columns],
        }

    def _distributions(self, use_case: UseCase) -> dict[str, Any]:
        columns = [column for column in use_case.columns if column.role != "ignored"] if self.batches else []
        return {
            "rows": self._rows(),
            "sampled": min(self._rows(), 20_000),
            "features": [_distribution(column) for column in columns],
        }

    def _monitoring(self, use_case: UseCase, hours: float) -> dict[str, Any]:
        classification = use_case.task == "classification"
        moments = _moments(hours) if self.predictions else []
        mix = {
            "reference": CLASS_SHARES,
            "series": [{"at": at, "shares": {**CLASS_SHARES, "2": 0.4, "5": 0.1}} for at in moments],
        }
        values = {"series": [{"at": at, "p10": 91_000.0, "median": 208_000.0, "p90": 650_000.0} for at in moments]}
        latency = {"requests": 512, "p50_ms": 0.42, "p95_ms": 1.9, "p99_ms": 7.25}
        return {
            "model": use_case.name,
            "version": 2,
            "hours": hours,
            "generated_at": datetime.now(UTC).isoformat(),
            "bucket_minutes": hours * 60 / 24,
            "traffic": [{"at": at, "predictions": self.predictions} for at in moments],
            "latency": latency if self.predictions else None,
            "mix": mix if classification else None,
            "values": None if classification else values,
            "drift": {
                "served": _drift(use_case, len(moments) * self.predictions) if moments else None,
                "collected": _drift(use_case, self._rows(), moved=0) if self.batches else None,
            },
            "live": self._live(use_case),
            "problem": self.problem,
        }

    def _live(self, use_case: UseCase) -> dict[str, Any]:
        metric, held_out, factor = use_case.training.metric, 0.88, 1.0
        if use_case.task == "regression":
            held_out, factor = 201_345.2, 230_000.0
        scores = [
            {"version": 2, "rows": self.feedback, "value": 0.83 * factor, "low": 0.76 * factor, "high": 0.89 * factor},
            {"version": 1, "rows": 40, "value": 0.75 * factor, "low": 0.6 * factor, "high": 0.87 * factor},
        ]
        return {"metric": metric, "held_out": held_out, "versions": scores if self.feedback else []}


def _moments(hours: float) -> list[str]:
    """Starts of the buckets: every other of 24 is without traffic."""
    step = timedelta(hours=hours / 24)
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    return [(now - step * index).isoformat() for index in range(23, 0, -2)]


def _labels(column: Column) -> list[str]:
    return list(column.categories or {})[:20] or ["< 10", "10 to 20", "20 to 30", "≥ 30"]


def _distribution(column: Column) -> dict[str, Any]:
    labels = _labels(column)
    weights = [len(labels) - index for index in range(len(labels))]
    return {
        "name": column.name,
        "title": column.name.replace("_", " "),
        "unit": column.unit,
        "role": column.role,
        "kind": "numeric" if column.is_numeric else "categorical",
        "missing_share": 0.025 if column.nullable else 0.0,
        "bins": [{"label": k, "share": w / sum(weights)} for k, w in zip(labels, weights, strict=True)],
        **(
            {"minimum": 2.0, "maximum": 3850.0, "median": 2990.5}
            if column.is_numeric
            else {"minimum": None, "maximum": None, "median": None}
        ),
    }


def _drift(use_case: UseCase, rows: int, moved: int = 2) -> dict[str, Any]:
    features = []
    for index, column in enumerate(use_case.features):
        labels = _labels(column)
        even = 1 / len(labels)
        shift = even / 2 if index < moved else 0.0
        bins = [{"label": label, "reference": even, "current": even} for label in labels]
        bins[0]["current"], bins[-1]["current"] = even + shift, even - shift
        features.append(
            {
                "name": column.name,
                "kind": "numeric" if column.is_numeric else "categorical",
                "psi": 0.31 + index / 10 if index < moved else 0.01,
                "drifted": index < moved,
                "missing_share": 0.0,
                "reference_missing_share": 0.0,
                "bins": bins,
            }
        )
    drifted = [feature["name"] for feature in features if feature["drifted"]]
    return {
        "rows": rows,
        "limit": 0.25,
        "enough_rows": rows >= 200,
        "features": features,
        "drifted": drifted,
        "share_drifted": len(drifted) / len(features),
    }
