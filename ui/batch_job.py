"""The two long jobs of the page Batch, each in a thread of its own: checking a file, and predicting it."""

import csv
import io
import tempfile
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Any

from ui.answers import ModelDetails, PredictedColumns
from ui.api_client import ApiClient, ApiProblem
from ui.csv_file import CsvFile, CsvProblem
from ui.csv_numbers import decimal_comma_columns
from ui.csv_rows import CellProblem, Row, RowReader
from ui.i18n import Translator
from ui.schema import FormField

ROWS_PER_REQUEST = 2_000
# Beyond so many, reading them helps nobody; all are counted.
MOST_PROBLEMS = 10_000
PREVIEW_ROWS = 100
# Results beyond so many bytes wait on disk.
MEMORY_BYTES = 4 * 1024 * 1024
# A request refused for load, or lost while the API restarts, is sent again after a pause.
TRIES = 6
PAUSE_SECONDS = 1.0
# The API names at most 50 mistakes an answer.
MOST_REFUSALS = 60


class Job(ABC):
    """Work in a thread that says how far it is and can be cancelled.

    Attributes
    ----------
    progress : share of the work done, 0 to 1.
    done : whether the thread has ended.
    problem : why it ended early, if it did and was not cancelled.
    """

    def __init__(self) -> None:
        self.progress = 0.0
        self.done = False
        self.problem: ApiProblem | CsvProblem | None = None
        self._cancelled = threading.Event()

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, daemon=True, name=type(self).__name__).start()

    def cancel(self) -> None:
        """End soon; what was done so far stays."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def _run(self) -> None:
        try:
            self._work()
        except (ApiProblem, CsvProblem) as problem:
            self.problem = problem
        except Exception as error:
            # A thread that dies in silence would leave a progress bar that never moves.
            self.problem = ApiProblem("failed", repr(error))
            raise
        finally:
            self.done = True

    @abstractmethod
    def _work(self) -> None: ...


class Check(Job):
    """Reads a file and finds the rows that cannot be predicted.

    Attributes
    ----------
    commas : columns whose numbers have a comma before the decimals.
    rows, invalid : rows, and those with a problem.
    problems : the first of them.
    found : how many problems there are.
    """

    def __init__(self, file: CsvFile, fields: Sequence[FormField], t: Translator) -> None:
        super().__init__()
        self._file, self._fields, self._t = file, fields, t
        self.commas: frozenset[str] = frozenset()
        self.rows = 0
        self.invalid = 0
        self.found = 0
        self.problems: list[CellProblem] = []

    @property
    def valid(self) -> int:
        return self.rows - self.invalid

    def _work(self) -> None:
        self.commas = decimal_comma_columns(self._file, self._fields)
        for row in RowReader(self._file, self._fields, self._t, self.commas):
            self.rows += 1
            self.progress = row.share
            if row.problems:
                self.invalid += 1
                self.found += len(row.problems)
                self.problems += row.problems[: MOST_PROBLEMS - len(self.problems)]
            if self.cancelled:
                return


class Predict(Job):
    """Predicts the valid rows of a file and writes every row, in the file's order, with what came of it.

    Parameters
    ----------
    rows : how many rows the file has.
    commas : columns whose numbers have a comma before the decimals.
    version : to ask for; None is the champion of the first answer, for all rows.

    Attributes
    ----------
    written, predicted : rows written so far, and those of them with a prediction.
    counts : how often each class was predicted.
    numbers : what was predicted, of a regression.
    refused : problems that only the API found.
    """

    def __init__(
        self,
        file: CsvFile,
        fields: Sequence[FormField],
        details: ModelDetails,
        version: int | None,
        client: ApiClient,
        rows: int,
        t: Translator,
        commas: Collection[str] = (),
    ) -> None:
        super().__init__()
        self._file, self._details, self._client, self._t = file, details, client, t
        self._reader = RowReader(file, fields, t, commas)
        self._rows = max(1, rows)
        self.version = version
        self.written = self.predicted = 0
        self.counts: Counter[str] = Counter()
        self.numbers: list[float] = []
        self.refused: list[CellProblem] = []
        self.header = [*file.header, *self._new_columns()]
        self.preview: list[list[Any]] = []
        self._output = tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115 - lives as long as the job

    def result(self) -> bytes:
        """The CSV written so far, with the separator of the file."""
        self._output.seek(0)
        return self._output.read()

    def _work(self) -> None:
        if self._file.has_bom:
            self._output.write(b"\xef\xbb\xbf")
        self._write([self.header])
        reader = iter(self._reader)
        while rows := list(islice(reader, ROWS_PER_REQUEST)):
            self._predict(rows)
            if self.cancelled:
                return

    def _predict(self, rows: list[Row]) -> None:
        reasons = {row.number: " ".join(problem.reason for problem in row.problems) for row in rows if row.problems}
        answers: PredictedColumns | None = None
        valid: list[Row] = []
        for _ in range(MOST_REFUSALS):
            valid = [row for row in rows if row.number not in reasons]
            if not valid or self.cancelled:
                break
            try:
                answers = self._ask(valid)
                break
            except ApiProblem as problem:
                if not problem.cell_errors:
                    raise
                for index, column, message in problem.cell_errors:
                    number = valid[index].number
                    self.refused.append(CellProblem(number, column, message))
                    reasons[number] = " ".join(filter(None, (reasons.get(number), message)))
        if self.cancelled and answers is None:
            return
        outcomes = dict(zip((row.number for row in valid), self._outcomes(answers), strict=False)) if answers else {}
        nothing = [""] * (len(self._new_columns()) - 1)
        width = len(self._file.header)
        table = [
            [*(row.cells + [""] * width)[:width], *outcomes.get(row.number, nothing), reasons.get(row.number, "")]
            for row in rows
        ]
        self._write(table)
        self.preview += table[: PREVIEW_ROWS - len(self.preview)]
        self.written += len(rows)
        self.predicted += len(outcomes)
        self.progress = min(1.0, self.written / self._rows)

    def _ask(self, rows: Sequence[Row]) -> PredictedColumns:
        names = [field.name for field in self._reader.fields]
        columns = dict(zip(names, map(list, zip(*(row.values for row in rows), strict=True)), strict=True))
        for left in reversed(range(TRIES)):
            try:
                answer = self._client.predict_columns(self._details.name, columns, self.version)
                # A promotion half way would answer the rest of the file by another model.
                self.version = answer.model_version
                return answer.columns
            except ApiProblem as problem:
                if problem.kind not in ("busy", "unreachable") or not left or self._cancelled.wait(PAUSE_SECONDS):
                    raise
        raise AssertionError("the last try returns or raises")

    def _outcomes(self, answers: PredictedColumns) -> Iterable[list[Any]]:
        classes = list(self._details.labels)
        labels = answers.label or [None] * len(answers.prediction)
        probabilities = [(answers.probabilities or {}).get(name) for name in classes]
        for index, (prediction, label) in enumerate(zip(answers.prediction, labels, strict=True)):
            if not classes:
                self.numbers.append(float(prediction))
                yield [prediction]
                continue
            self.counts[label or str(prediction)] += 1
            yield [prediction, label or "", *(f"{of[index]:.6g}" if of else "" for of in probabilities)]

    def _new_columns(self) -> list[str]:
        classes = list(self._details.labels)
        names = ["prediction", *(["label"] if classes else []), *(f"probability_{name}" for name in classes), "problem"]
        taken = set(self._file.header)
        return [f"model_{name}" if name in taken else name for name in names]

    def _write(self, rows: Iterable[Sequence[Any]]) -> None:
        text = io.StringIO()
        csv.writer(text, delimiter=self._file.delimiter, lineterminator="\n").writerows(rows)
        self._output.write(text.getvalue().encode())
