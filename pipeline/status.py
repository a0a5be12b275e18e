"""What the loop has done so far for a use case: read from warehouse and registry, and shown as tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.collected_drift import collected_drift
from pipeline.errors import RegistryError
from pipeline.live_performance import read_live_performance
from pipeline.model_version import VersionInfo
from pipeline.registry import Registry
from pipeline.use_case import UseCase

if TYPE_CHECKING:
    from pipeline.warehouse import LedgerEntry, Warehouse

SHOWN = 10  # newest entries of each list
WIDEST = 100  # characters of a cell
WIDEST_REASON = 600  # of one that says why


def read_status(use_case: UseCase, warehouse: "Warehouse", registry: Registry) -> dict[str, Any]:
    """Collect the state of a use case as JSON-able values.

    A registry that cannot be read is reported under ``registry_error``: the warehouse is worth showing without it.
    """
    entries = warehouse.ledger(use_case)
    found: dict[str, Any] = {
        "use_case": use_case.name,
        "rows": warehouse.row_count(use_case),
        "quarantined": sum(entry.quarantined for entry in entries),
        "batches": [entry.model_dump(mode="json") for entry in entries],
        "decisions": [decision.model_dump(mode="json") for decision in warehouse.decisions(use_case.name, SHOWN)],
        "promotions": [record.model_dump(mode="json") for record in warehouse.promotion_history(use_case.name, SHOWN)],
        "versions": [],
        "champion": None,
        "drift": None,
        "registry_error": None,
    }
    versions: list[VersionInfo] = []
    try:
        versions = registry.versions(use_case.name)
    except RegistryError as error:
        found["registry_error"] = str(error)
    champion = next((version for version in versions if version.is_champion), None)
    live = read_live_performance(use_case, warehouse, champion)
    found["live"] = live.model_dump(mode="json") if live else None
    if found["registry_error"]:
        return found
    return found | {
        "versions": [version.model_dump(mode="json") for version in versions],
        "champion": champion.version if champion else None,
        "drift": collected_drift(use_case, warehouse, registry, champion).model_dump(mode="json"),
    }


def render_status(status: dict[str, Any], metric: str) -> str:
    """Tables for a terminal.

    Parameters
    ----------
    status : of `read_status`.
    metric : shown of each version.
    """
    champion = f"version {status['champion']}" if status["champion"] else "none yet"
    head = (
        f"{status['use_case']}: {status['rows']} rows; deliveries: {len(status['batches'])}; "
        f"quarantined rows: {status['quarantined']}; champion: {champion}"
    )
    versions = [
        [
            item["version"],
            ", ".join(item["aliases"]),
            item["stage"],
            _number(item["metrics"].get(metric)),
            item["tags"].get("rows", ""),
            _time(item["created_at"]),
        ]
        for item in status["versions"][:SHOWN]
    ]
    promotions = [
        [_time(item["at"]), item["action"], item["from_version"], item["to_version"], item["actor"], item["reason"]]
        for item in status["promotions"]
    ]
    parts = [
        head,
        _section("Batches", render_batches(status["batches"][-SHOWN:])),
        _section("Training decisions", _decisions(status["decisions"])),
        _section("Drift", _drift(status["drift"])),
        _section("Versions", render_table(["version", "alias", "stage", metric, "rows", "made at"], versions)),
        _section("Live performance, from feedback", _live(status["live"])),
        _section("Promotions", render_table(["at", "action", "from", "to", "by", "why"], promotions)),
    ]
    if judged := next((item for item in status["promotions"] if item["decision"]), None):
        parts.append(_section(f"Checks of version {judged['to_version']}", _checks(judged["decision"])))
    if status["registry_error"]:
        parts.append(f"versions are not shown: {status['registry_error']}")
    return "\n\n".join(parts)


def _live(live: dict[str, Any] | None) -> str:
    if live is None:
        return "no feedback yet"
    rows = [
        [item["version"], item["rows"], _number(item["value"]), f"{_number(item['low'])} to {_number(item['high'])}"]
        for item in live["versions"][:SHOWN]
    ]
    table = render_table(["version", "outcomes", live["metric"], "95 % interval"], rows)
    held_out = live["held_out"]
    return table if held_out is None else f"{table}\nchampion on the held-out rows: {_number(held_out)}"


def render_batches(entries: Sequence["LedgerEntry | dict[str, Any]"]) -> str:
    """One line per delivery in the ledger."""
    rows = []
    for entry in entries:
        item = entry if isinstance(entry, dict) else entry.model_dump(mode="json")
        counts = [item[name] for name in ("delivered", "accepted", "duplicate", "quarantined")]
        rows.append([item["epoch"], item["batch_number"], *counts, _time(item["stored_at"])])
    return render_table(["epoch", "batch", "delivered", "accepted", "duplicate", "quarantined", "stored at"], rows)


def render_table(headings: Sequence[str], rows: Sequence[Sequence[Any]], widest: int = WIDEST) -> str:
    """Columns as wide as their longest cell, numbers to the right, texts cut at `widest` characters."""
    if not rows:
        return "none yet"
    cells = [list(headings), *([_cell(value, widest) for value in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(headings))]
    right = [all(isinstance(row[index], int | None) for row in rows) for index in range(len(headings))]
    lines = [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _section(title: str, body: str) -> str:
    return f"{title}\n{body}"


def _decisions(decisions: list[dict[str, Any]]) -> str:
    """What was decided, on which numbers, and why."""
    rows = []
    for item in decisions:
        numbers = item["numbers"]
        rows.append(
            [
                _time(item["at"]),
                "train" if item["train"] else "skip",
                numbers.get("rows"),
                _percent(numbers.get("new_rows_share")),
                _number(numbers.get("last_training_age_days")),
                "unknown" if numbers.get("drift_unknown") else _percent(numbers.get("drifted_share")),
                "; ".join(item["reasons"]),
            ]
        )
    headings = ["at", "decision", "rows", "new", "days since training", "drifted", "why"]
    return render_table(headings, rows, WIDEST_REASON)


def _drift(drift: dict[str, Any] | None) -> str:
    """Columns of the rows collected since the champion's training, the most changed first."""
    if drift is None or drift["report"] is None:
        return drift["problem"] if drift and drift["problem"] else "unknown"
    report = drift["report"]
    head = (
        f"{report['rows']} rows collected since champion version {drift['version']} was trained: "
        f"{len(report['drifted'])} of {len(report['features'])} columns drifted (index {report['limit']:g} or more)"
    )
    if not report["rows"]:
        return head
    if not report["enough_rows"]:
        head += "; these are too few rows to call anything drift"
    features = sorted(report["features"], key=lambda feature: -feature["psi"])[:SHOWN]
    rows = [
        [
            feature["name"],
            f"{feature['psi']:.3f}",
            "yes" if feature["drifted"] else "no",
            _percent(feature["reference_missing_share"]),
            _percent(feature["missing_share"]),
        ]
        for feature in features
    ]
    return head + "\n" + render_table(["column", "index", "drifted", "missing before", "missing now"], rows)


def _checks(decision: dict[str, Any]) -> str:
    """The checks of a promotion decision."""
    rows = [
        [
            "passed" if check["passed"] else "FAILED",
            check["name"],
            _number(check["value"]),
            _number(check["limit"]),
            check["detail"],
        ]
        for check in decision["checks"]
    ]
    return render_table(["", "check", "value", "limit", "what was found"], rows, WIDEST_REASON)


def _cell(value: Any, widest: int) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= widest else text[: widest - 1] + "…"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _time(text: str | None) -> str:
    """A moment to the second, in UTC."""
    return (text or "")[:19].replace("T", " ")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
