"""`audit_models` on a real MLflow store, a SQLite warehouse and a lake in a folder: what is honest passes."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import polars as pl
import pytest

from pipeline import promotion
from pipeline.mlflow_client import global_tracking_uri, open_client
from pipeline.model_audit import ModelAudit, VersionAudit, audit_models
from pipeline.use_case import DerivedFeature, UseCase
from tests.integration.training_loop import ACTOR, Loop, penguins_as_delivered, searching
from tests.synthetic_rows import house_rows, with_search


@pytest.fixture(scope="module")
def story(penguins: UseCase, mlflow_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """Version 1 is champion, 2 was refused, and the warehouse has rows that came later."""
    folder = tmp_path_factory.mktemp("audit") / "story"
    forest = searching(penguins, n_estimators=10, min_samples_leaf=1, max_features="sqrt", max_depth=None)
    loop = Loop.begin(folder, forest, mlflow_tables)
    rows = penguins_as_delivered()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # MLflow puts the artifacts of a SQLite store below the working directory
        loop.store(1, rows[:120])
        loop.store(2, rows[120:200])
        loop.retrain()
        loop.retrain(with_search(penguins, {"estimator": "linear", "parameters": {"C": [1e-4]}}), forced=True)
        loop.store(3, rows[200:])
    yield loop
    loop.warehouse.close()


@pytest.fixture
def loop(story: Loop, tmp_path: Path) -> Iterator[Loop]:
    """A copy of everything, to tamper with."""
    story.warehouse.close()
    # Artifacts stay where they were made; a test that changes one copies it back.
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in ("warehouse.db", "mlflow.db"):
        shutil.copy(story.folder / name, folder / name)
    shutil.copytree(story.folder.parent / "lake", tmp_path / "lake")
    copy = Loop(folder, story.use_case)
    yield copy
    copy.warehouse.close()


def audited(loop: Loop, **options: object) -> ModelAudit:
    options = {"refit": False, **options}
    return audit_models(loop.use_case, loop.lake, loop.warehouse, loop.registry, **options)  # type: ignore[arg-type]


def of(audit: ModelAudit, version: int) -> VersionAudit:
    return next(each for each in audit.versions if each.version == version)


def change(loop: Loop, database: str, statement: str, *values: object) -> None:
    """Tamper with a database behind everybody's back."""
    loop.warehouse.close()
    with sqlite3.connect(loop.folder / database) as connection:
        assert connection.execute(statement, values).rowcount > 0


def one_problem(audit: ModelAudit) -> str:
    [problem] = audit.problems
    return problem


def test_every_version_is_proved(loop: Loop) -> None:
    lines: list[str] = []
    audit = audited(loop, refit=True, on_progress=lines.append)
    assert audit.problems == []
    assert [(each.version, each.champion) for each in audit.versions] == [(2, False), (1, True)]
    for each in audit.versions:
        assert each.findings.unproved == []
        text = "\n".join(each.findings.proved)
        assert "all 200 rows of its snapshot" in text
        assert "they came with batches 1/1/01, 1/1/02" in text
        assert re.search(r"1\d\d rows trained and [3-7]\d others judged it, as their hashes decide", text)
        assert "is the registered one and answers as its model does" in text
        assert "it predicts the same, exactly, on" in text
    assert "\npromoted: " in "\n".join(of(audit, 1).findings.proved)
    assert "\nnot promoted: " in "\n".join(of(audit, 2).findings.proved)
    assert audit.champion.proved == ["version 1 is the champion, as the last promote in the history says"]
    assert len(lines) == 2


@pytest.mark.parametrize("estimator", ["extra_trees", "hist_gradient_boosting", "lightgbm", "linear"])
def test_every_family_is_reproduced(loop: Loop, estimator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(loop.folder)
    parameters = {"linear": {"C": [0.5]}, "hist_gradient_boosting": {"max_iter": [10]}}.get(
        estimator, {"n_estimators": [8]}
    )
    use_case = with_search(loop.use_case, {"estimator": estimator, "parameters": parameters})
    version = loop.retrain(use_case, forced=True).version
    audit = audited(loop, refit=True, version=version, jobs=2)
    assert audit.problems == []
    assert "it predicts the same, exactly, on" in "\n".join(audit.versions[0].findings.proved)


def test_a_regression_on_the_logarithm_with_text_columns_is_reproduced(
    house_prices: UseCase, mlflow_tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lightgbm = {"estimator": "lightgbm", "parameters": {"n_estimators": [20], "num_leaves": [7]}}
    forest = {"estimator": "random_forest", "parameters": {"n_estimators": [10]}}
    use_case = with_search(house_prices, lightgbm, forest, strategy="halving")
    loop = Loop.begin(tmp_path / "loop", use_case, mlflow_tables)
    monkeypatch.chdir(loop.folder)
    rows = house_rows().select(column.name for column in house_prices.columns)
    loop.store(1, [["" if value is None else str(value) for value in row] for row in rows.iter_rows()])
    assert loop.retrain().promoted
    audit = audited(loop, refit=True)
    loop.warehouse.close()
    assert audit.problems == []
    assert audit.versions[0].findings.unproved == []


def test_one_version_is_checked_alone_and_without_a_fit(loop: Loop) -> None:
    audit = audited(loop, version=1)
    assert [each.version for each in audit.versions] == [1]
    assert audit.versions[0].findings.unproved == ["that fitting it again gives the same model: not tried (--no-refit)"]


def snapshot_file(loop: Loop) -> Path:
    [path] = (loop.lake.folder / "snapshots" / "penguins").glob("*.parquet")
    return path


def drop_a_row(loop: Loop) -> None:
    pl.read_parquet(snapshot_file(loop))[1:].write_parquet(snapshot_file(loop))


def change_a_value(loop: Loop) -> None:
    frame = pl.read_parquet(snapshot_file(loop))
    frame.with_columns(pl.col("body_mass_g") + (pl.int_range(pl.len()) == 3) * 100).write_parquet(snapshot_file(loop))


def recount(loop: Loop) -> None:
    path = snapshot_file(loop).with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"holdout_rows": 1}))


def swap_targets(loop: Loop) -> None:
    change(loop, "warehouse.db", "UPDATE rows_penguins SET species='Gentoo' WHERE row_id = 1 AND species <> 'Gentoo'")


TAMPERED: dict[str, tuple[Callable[[Loop], None], str]] = {
    "a row left out of the snapshot": (drop_a_row, "its snapshot: snapshot .* was changed after it was taken"),
    "a value in the snapshot": (change_a_value, "its snapshot: snapshot .* was changed after it was taken"),
    "counts in the snapshot's description": (recount, "the snapshot's holdout_rows is 1, the row hashes give"),
    "the snapshot deleted": (lambda loop: snapshot_file(loop).unlink(), "its snapshot: there is no object"),
    "a label in the warehouse": (swap_targets, "1 of its rows have other values .*: species"),
    "a row deleted from the warehouse": (
        lambda loop: change(loop, "warehouse.db", "DELETE FROM rows_penguins WHERE row_id = 5"),
        "1 of its 200 rows are not in the warehouse",
    ),
    "a batch the ledger does not know": (
        lambda loop: change(loop, "mlflow.db", "UPDATE tags SET value='1/1/01,9/9/09' WHERE key='batch_ids'"),
        "batches that are not in the ledger: 9/9/09",
    ),
    "the digest a version names": (
        lambda loop: change(loop, "mlflow.db", "UPDATE model_version_tags SET value='f00' WHERE key='dataset_digest'"),
        "its tag dataset_digest is f00, that of its run is",
    ),
    "a count in the registry": (
        lambda loop: change(loop, "mlflow.db", "UPDATE model_version_tags SET value='7' WHERE key='holdout_rows'"),
        "its tag holdout_rows is 7",
    ),
    "a metric": (
        lambda loop: change(loop, "mlflow.db", "UPDATE latest_metrics SET value=0.5 WHERE key='accuracy'"),
        r"its run says accuracy 0\.5, its model reaches 0\.",
    ),
    "the registered bundle": (
        lambda loop: change(loop, "mlflow.db", "UPDATE model_version_tags SET value='bad' WHERE key='serving_digest'"),
        "its serving bundle: .* is damaged",
    ),
    "a promotion's numbers": (
        lambda loop: change(
            loop, "warehouse.db", "UPDATE promotions SET decision=replace(decision, '\"challenger_score\":0.', "
            "'\"challenger_score\":0.1')"
        ),
        "its decision in MLflow and in the table of promotions differ: challenger_score",
    ),
    "a promotion that never was": (
        lambda loop: change(loop, "warehouse.db", "UPDATE promotions SET action='promote' WHERE action='reject'"),
        "it was refused, and its action is promote",
    ),
    "a promotion record deleted": (
        lambda loop: change(loop, "warehouse.db", "DELETE FROM promotions WHERE to_version=2"),
        "MLflow has a decision on it, the table of promotions has none",
    ),
    "another champion": (
        lambda loop: change(loop, "mlflow.db", "UPDATE registered_model_aliases SET version=2 WHERE alias='champion'"),
        "the champion is version 2, the last promotion or roll back in the history is of version 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERED)
def test_tampering_is_found_and_named(loop: Loop, what: str) -> None:
    tamper, pattern = TAMPERED[what]
    tamper(loop)
    problems = audited(loop).problems
    assert any(re.search(pattern, problem) for problem in problems), problems


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("n_estimators", "9", "parameter n_estimators is logged as 9, its model has 10"),
        ("seed", "1", "parameter random_state is logged as 1, its model has 0"),
        ("max_features", "all of them", "it cannot be fitted again with the logged parameters"),
    ],
)
def test_a_tampered_parameter_is_found_by_fitting_again(loop: Loop, name: str, value: str, problem: str) -> None:
    change(loop, "mlflow.db", "UPDATE params SET value=? WHERE key=? AND value<>'' AND run_uuid IN "
           "(SELECT run_id FROM model_versions WHERE version=1)", value, name)  # fmt: skip
    problems = audited(loop, refit=True, version=1).problems
    assert any(problem in found for found in problems), problems


def test_a_model_that_fits_differently_with_other_libraries_is_not_proved_and_no_violation(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(loop, "mlflow.db", "UPDATE tags SET value='0.1' WHERE key='library.scikit-learn'")
    monkeypatch.setattr(
        "pipeline.reproduction._answers", lambda *given: [([1.0] * len(given[2]), [0.0] * len(given[2]))]
    )
    audit = audited(loop, refit=True, version=1)
    assert audit.problems == []
    assert "it was fitted with scikit-learn 0.1, here " in "\n".join(of(audit, 1).findings.unproved)


def test_a_model_that_fits_differently_with_the_same_libraries_is_a_violation(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pipeline.reproduction._answers", lambda *given: [([1.0] * len(given[2]), [0.0] * len(given[2]))]
    )
    assert one_problem(audited(loop, refit=True, version=1)).endswith("the libraries are those it was fitted with")


def test_a_version_of_an_earlier_release_is_told_by_what_it_did_not_log(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run has neither the use case nor the libraries, and the use case was changed since."""
    derived = DerivedFeature(name="size", terms={"bill_length_mm": 1.0, "body_mass_g": 0.01})
    loop.use_case = loop.use_case.model_copy(update={"derived_features": [derived]})
    change(loop, "mlflow.db", "DELETE FROM tags WHERE key LIKE 'library.%'")
    monkeypatch.setattr("pipeline.reproduction.USE_CASE_FILE", "never_logged.json")
    audit = audited(loop, refit=True, version=1)
    assert audit.problems == []
    text = "\n".join(of(audit, 1).findings.unproved)
    assert "its run did not log it" in text
    assert "held-out rows, with the use case as it is today" in text


def test_columns_that_a_snapshot_does_not_have_are_named(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The year was ignored when version 1 was trained."""
    document = loop.use_case.model_dump()
    next(column for column in document["columns"] if column["name"] == "year")["role"] = "feature"
    loop.use_case = UseCase.model_validate(document)
    monkeypatch.setattr("pipeline.reproduction.USE_CASE_FILE", "never_logged.json")
    audit = audited(loop, refit=True, version=1)
    assert audit.problems == []
    assert "columns by now that its snapshot has not, year" in "\n".join(of(audit, 1).findings.unproved)


@pytest.mark.parametrize("library", ["0.1", None])
def test_a_model_that_cannot_be_used_here_does_not_end_the_audit(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, library: str | None
) -> None:
    def load(*_: object) -> None:
        raise AttributeError("'DecisionTree' has no attribute 'monotonic_cst'")

    if library:
        change(loop, "mlflow.db", "UPDATE tags SET value=? WHERE key='library.scikit-learn'", library)
    monkeypatch.setattr("pipeline.reproduction.load_model", load)
    audit = audited(loop, version=1)
    findings = of(audit, 1).findings
    assert "monotonic_cst" in "\n".join(findings.unproved if library else findings.problems)
    assert bool(audit.problems) is not bool(library)


def test_a_version_from_outside_the_loop_is_reported_with_what_cannot_be_proved(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(loop.folder)
    client = open_client(loop.registry.tracking_uri)
    elsewhere = client.create_experiment("elsewhere")
    with global_tracking_uri(loop.registry.tracking_uri), mlflow.start_run(experiment_id=elsewhere) as run:
        mlflow.log_text("a model, they say", "model/model.txt")
    client.create_model_version("penguins", f"runs:/{run.info.run_id}/model", run.info.run_id)
    audit = audited(loop, version=3)
    assert audit.problems == []
    assert audit.versions[0].findings.proved == []
    text = "\n".join(audit.versions[0].findings.unproved)
    assert "which rows trained and judged it: neither the version nor its run names a snapshot" in text
    assert "that fitting it again gives the same model: there is no snapshot" in text
    assert "no decision on it was recorded" in text


def test_a_promotion_by_hand_is_told_as_such(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(loop.folder)
    promotion.promote(loop.registry, loop.warehouse, "penguins", 2, actor=ACTOR, reason="to see it")
    audit = audited(loop)
    assert audit.problems == []
    assert f"promoted by hand ({ACTOR}: to see it)" in of(audit, 2).findings.proved
    assert audit.champion.proved == ["version 2 is the champion, as the last promote in the history says"]


def test_a_training_cut_short_before_its_decision_was_carried_out_is_no_violation(loop: Loop) -> None:
    change(loop, "warehouse.db", "DELETE FROM promotions WHERE to_version=2")
    change(loop, "mlflow.db", "DELETE FROM model_version_tags WHERE key='promotion' AND version=2")
    audit = audited(loop, version=2)
    assert audit.problems == []
    assert "what came of its decision" in "\n".join(audit.versions[0].findings.unproved)


def test_a_run_that_is_gone_is_a_violation_of_its_version_only(loop: Loop) -> None:
    change(loop, "mlflow.db", "UPDATE model_versions SET run_id='0123456789abcdef0123456789abcdef' WHERE version=1")
    audit = audited(loop)
    assert one_problem(audit).startswith("version 1: its run: cannot read run 0123456789abcdef")
