"""The training loop in one process: SQLite warehouse, lake in a folder, real MLflow store."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from palmerpenguins import load_penguins

from pipeline import retraining
from pipeline.lake import ArchivedDelivery, FileLake
from pipeline.registry import Registry
from pipeline.retraining import Retraining
from pipeline.use_case import UseCase
from pipeline.validation import validate
from pipeline.warehouse import Warehouse
from pipeline.warehouse.database import Database

ACTOR = "test"


@dataclass
class Loop:
    """Everything a step needs."""

    folder: Path
    use_case: UseCase

    def __post_init__(self) -> None:
        self.lake = FileLake(self.folder.parent / "lake")
        self.warehouse = Warehouse(Database(f"sqlite:///{self.folder / 'warehouse.db'}"))
        self.registry = Registry(f"sqlite:///{self.folder / 'mlflow.db'}")

    @classmethod
    def begin(cls, folder: Path, use_case: UseCase, mlflow_tables: Path) -> Self:
        """A loop in a new folder, with its tables and nothing in them."""
        folder.mkdir()
        shutil.copy(mlflow_tables, folder / "mlflow.db")
        loop = cls(folder, use_case)
        loop.lake.create()
        loop.warehouse.migrate([use_case])
        return loop

    def store(self, batch: int, rows: list[list[str]], use_case: UseCase | None = None) -> None:
        payload = json.dumps(rows).encode()
        digest = hashlib.sha256(payload).hexdigest()
        archived = ArchivedDelivery(
            use_case=self.use_case.name,
            group_number=1,
            epoch=1,
            batch_number=batch,
            payload_sha256=digest,
            uri=self.lake.uri(f"raw/{digest}.json"),
            received_at=datetime.now(UTC),
        )
        self.warehouse.store(archived, validate(use_case or self.use_case, rows))

    def retrain(self, use_case: UseCase | None = None, **options: Any) -> Retraining:
        return retraining.retrain(
            use_case or self.use_case, self.warehouse, self.lake, self.registry, jobs=1, actor=ACTOR, **options
        )

    def champion(self) -> int | None:
        champion = self.registry.champion(self.use_case.name)
        return champion.version if champion else None


def searching(use_case: UseCase, **parameters: Any) -> UseCase:
    """The use case with a search of one candidate."""
    candidate = use_case.training.search.candidates[0].model_copy(
        update={"parameters": {name: [value] for name, value in parameters.items()}}
    )
    search = use_case.training.search.model_copy(update={"candidates": [candidate], "folds": 2})
    return use_case.model_copy(update={"training": use_case.training.model_copy(update={"search": search})})


def penguins_as_delivered() -> list[list[str]]:
    """The real rows, shuffled, as the source sends them."""
    table = load_penguins().sample(frac=1, random_state=0).astype(object)
    return [["" if value != value else str(value) for value in row] for row in table.itertuples(index=False)]
