"""What each ``mlops`` command does: every step of the DAGs by hand.

A command takes the options of the command line and returns an exit code.
"""

import argparse
import getpass
import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.errors import ConfigurationError, SourceExhausted
from pipeline.settings import PipelineSettings, load_settings
from pipeline.use_case import UseCase, find_use_case, load_use_cases

if TYPE_CHECKING:
    from pipeline.lake import Lake
    from pipeline.registry import Registry
    from pipeline.source import SourceClient
    from pipeline.warehouse import LedgerEntry, Warehouse


def check(options: argparse.Namespace) -> int:
    """Check the settings and the files of the use cases, and touch nothing."""
    use_cases = _checked_use_cases()
    if options.stored:
        _warehouse().check_migration(use_cases.values())
    print(f"fit for use: {', '.join(use_cases)}")
    return 0


def init(_: argparse.Namespace) -> int:
    """Make the tables and the lake, or bring them up to date."""
    use_cases = _checked_use_cases()
    _warehouse().migrate(use_cases.values())
    _lake().create()
    print(f"ready: warehouse and lake for {', '.join(use_cases)}")
    return 0


def collect(options: argparse.Namespace) -> int:
    """Fetch the next batch and store it; with --all until the source has no more."""
    use_case, source, lake, warehouse = _use_case(options), _source(), _lake(), _warehouse()
    batch = None
    while True:
        try:
            entry = _collect_once(use_case, source, lake, warehouse)
        except SourceExhausted as reason:
            print(f"{use_case.name}: {reason}")
            return 0
        if not options.all:
            return 0
        # A batch that did not advance is still in its window; asking again now gives another sample of it.
        if (entry.epoch, entry.batch_number) == batch:
            wait = _settings().collect_interval_seconds
            _say(f"batch {entry.batch_number} is still the current one: next poll in {wait} s (Ctrl-C stops)")
            time.sleep(wait)
        batch = (entry.epoch, entry.batch_number)


def train(options: argparse.Namespace) -> int:
    """Decide, train, compare, promote and verify, as the DAG does."""
    from pipeline.retraining import retrain

    use_case = _use_case(options)
    result = retrain(
        use_case,
        _warehouse(),
        _lake(),
        _registry(),
        forced=options.force,
        jobs=options.jobs or _settings().search_jobs,
        api_url=None if options.no_verify else _settings().inference_api_url,
        actor=f"mlops train ({_user()})",
        on_progress=_progress(),
    )
    if result.version is None:
        print(f"{use_case.name}: no training, {'; '.join(result.training.reasons)}")
    else:
        print(f"{use_case.name}: version {result.version} is {'the champion' if result.promoted else 'not promoted'}")
        for reason in result.decision.reasons if result.decision else []:
            print(f"  {reason}")
    return 0


def promote(options: argparse.Namespace) -> int:
    """Make a version the champion, whatever was decided about it."""
    from pipeline import promotion

    use_case = _use_case(options)
    record = promotion.promote(
        _registry(),
        _warehouse(),
        use_case.name,
        options.version or "challenger",
        actor=f"mlops promote ({_user()})",
        reason=options.reason or "promoted by hand",
    )
    print(f"{use_case.name}: version {record.to_version} is the champion{_before(record.from_version)}")
    return 0


def rollback(options: argparse.Namespace) -> int:
    """Return to an earlier champion."""
    from pipeline import promotion

    use_case = _use_case(options)
    record = promotion.rollback(
        _registry(),
        _warehouse(),
        use_case.name,
        options.to,
        actor=f"mlops rollback ({_user()})",
        reason=options.reason or "rolled back by hand",
    )
    print(f"{use_case.name}: version {record.to_version} is the champion{_before(record.from_version)}")
    return 0


def traffic(options: argparse.Namespace) -> int:
    """Show or set what part a challenger has in the requests: shadow, canary or off."""
    from pydantic import ValidationError

    from pipeline.traffic import TrafficRule

    name, registry = options.use_case or _settings().default_use_case, _registry()
    given = {key: getattr(options, key) for key in ("mode", "alias", "share") if getattr(options, key) is not None}
    known = registry.traffic(name)
    if given:
        try:
            rule = TrafficRule.model_validate({"mode": "off"} | (known.model_dump() if known else {}) | given)
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            raise ConfigurationError(f"{'.'.join(map(str, detail['loc'])) or 'rule'}: {detail['msg']}") from None
        registry.set_traffic(name, rule)
        known = rule
    if known is None or known.mode == "off":
        print(f"{name}: the champion answers alone")
    else:
        part = "shadows" if known.mode == "shadow" else "answers"
        print(f"{name}: the version with the alias {known.alias} {part} {known.share:.0%} of the requests")
    return 0


def prune(options: argparse.Namespace) -> int:
    """Delete predictions and outcomes that are old, as the DAG does every hour."""
    settings = _settings()
    days = settings.predictions_kept_days if options.days is None else options.days
    rows = settings.predictions_kept_rows if options.rows is None else options.rows
    pruned = _warehouse().prune_served(days, rows)
    for record in pruned:
        print(record)
    if not pruned:
        print("no prediction is logged")
    return 0


def status(options: argparse.Namespace) -> int:
    """Show batches, rows, decisions, versions and promotions."""
    from pipeline.status import read_status, render_status

    use_case = _use_case(options)
    found = read_status(use_case, _warehouse(), _registry())
    print(json.dumps(found, indent=2) if options.json else render_status(found, use_case.training.metric))
    return 0


def audit(options: argparse.Namespace) -> int:
    """Check that every delivered row is accounted for, and prove what every version was made of."""
    from pipeline.audit import audit as audit_collection
    from pipeline.audit import render_models
    from pipeline.model_audit import audit_models
    from pipeline.status import render_batches

    use_case, warehouse = _use_case(options), _warehouse()
    report = audit_collection(use_case, _lake(), warehouse)
    print(render_batches(warehouse.ledger(use_case)))
    print(
        f"\n{use_case.name}: {report.delivered} delivered = {report.accepted} accepted + {report.duplicate} duplicate "
        f"+ {report.quarantined} quarantined, over {report.entries} deliveries"
    )
    for uri in report.pending:
        print(f"archived and not stored yet (the next collection does it): {uri}")
    for problem in report.problems:
        print(f"violation: {problem}", file=sys.stderr)
    print("every delivered row is accounted for" if report.ok else f"{len(report.problems)} violations")
    models = audit_models(
        use_case,
        _lake(),
        warehouse,
        _registry(),
        version=options.version,
        refit=not options.no_refit,
        jobs=_settings().search_jobs,
        on_progress=_progress(),
    )
    print(render_models(models))
    for problem in models.problems:
        print(f"violation: {problem}", file=sys.stderr)
    return 0 if report.ok and not models.problems else 1


def _collect_once(use_case: UseCase, source: "SourceClient", lake: "Lake", warehouse: "Warehouse") -> "LedgerEntry":
    from pipeline.collection import collect as collect_delivery

    entry = collect_delivery(use_case, source, lake, warehouse)
    print(
        f"{use_case.name}: batch {entry.batch_number} (epoch {entry.epoch}): {entry.delivered} rows delivered, "
        f"{entry.accepted} accepted, {entry.duplicate} known already, {entry.quarantined} quarantined"
    )
    return entry


def _settings() -> PipelineSettings:
    return load_settings(PipelineSettings)


def _checked_use_cases() -> dict[str, UseCase]:
    """All use cases, with the parameters of their estimators checked: loading a file does not know the estimators."""
    from pipeline.search_space import candidates

    use_cases = load_use_cases(_settings().use_cases_dir)
    try:
        find_use_case(_settings().use_cases_dir, _settings().default_use_case)
    except ConfigurationError as error:
        raise ConfigurationError(f"DEFAULT_USE_CASE: {error}") from None
    for use_case in use_cases.values():
        try:
            candidates(use_case)
        except ConfigurationError as error:
            raise ConfigurationError(f"use case {use_case.name}: {error}") from None
    return use_cases


def _use_case(options: argparse.Namespace) -> UseCase:
    return find_use_case(_settings().use_cases_dir, options.use_case or _settings().default_use_case)


def _source() -> "SourceClient":
    from pipeline.source import SourceClient

    settings = _settings()
    return SourceClient(
        settings.source_url, settings.source_group_number, settings.source_day, settings.source_timeout_seconds
    )


def _lake() -> "Lake":
    from pipeline.lake import open_lake

    return open_lake(_settings())


def _warehouse() -> "Warehouse":
    from pipeline.warehouse import open_warehouse

    return open_warehouse(_settings())


def _registry() -> "Registry":
    from pipeline.registry import Registry

    return Registry(_settings().mlflow_tracking_uri)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return "unknown user"


def _before(version: int | None) -> str:
    return "" if version is None else f" (before: version {version})"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _progress() -> Callable[[str], None]:
    """Progress goes to standard error, each line with the seconds since the start."""
    start = time.monotonic()
    return lambda text: _say(f"[{time.monotonic() - start:6.1f} s] {text}")
