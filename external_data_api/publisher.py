"""Publishes one use case: the present batch of a group, sampled anew at every call."""

from collections.abc import Callable
from typing import Any

from external_data_api.batches import batch_range, draw, sample_size
from external_data_api.datasets import open_dataset
from external_data_api.state import State
from pipeline.settings import ExternalDataApiSettings
from pipeline.use_case import UseCase

GROUPS = range(1, 11)


class InvalidGroup(Exception):
    """The group number is not one of the course's ten groups."""

    def __init__(self) -> None:
        super().__init__("Número de grupo inválido")


class Publisher:
    """The rows of one use case and how they are handed out.

    Parameters
    ----------
    use_case : what is published.
    settings : interval, number of batches, sample share, seed and the choice of data.
    state : how far each group has come.
    clock : Unix time in seconds.
    """

    def __init__(
        self, use_case: UseCase, settings: ExternalDataApiSettings, state: State, clock: Callable[[], float]
    ) -> None:
        self.use_case = use_case
        self._settings = settings
        self._state = state
        self._clock = clock
        self._dataset = open_dataset(use_case, settings)

    def next_reply(self, group: int) -> bytes:
        """Return the JSON body of one call for data, and note that it was handed out.

        Raises
        ------
        InvalidGroup
            There is no such group.
        SourceExhausted
            The group has had the last batch.
        """
        _check(group)
        settings = self._settings
        cursor = self._state.advance(
            self.use_case.name, group, self._clock(), settings.min_update_time, settings.batch_count
        )
        rows = self._dataset.rows
        # The number of the call is part of the seed: samples differ within a window, and can be repeated.
        seed = f"{settings.source_seed}/{self.use_case.name}/{group}/{cursor.batch_number}/{cursor.calls}"
        positions = batch_range(len(rows), settings.batch_count, cursor.batch_number)
        data = b",".join([rows[position] for position in draw(positions, self._dataset.sample_share, seed)])
        return b'{"group_number":%d,"batch_number":%d,"data":[%b]}' % (group, cursor.batch_number, data)

    def restart(self, group: int) -> None:
        """Start a group again from batch 1, whenever its next call comes.

        Raises
        ------
        InvalidGroup
            There is no such group.
        """
        _check(group)
        self._state.restart(self.use_case.name, group)

    def describe(self) -> dict[str, Any]:
        """Return what is served and how far each group has come, for the health page."""
        dataset, count = self._dataset, self._settings.batch_count
        batch_rows = len(batch_range(len(dataset.rows), count, 1))
        return {
            "title": self.use_case.title,
            "path": self.use_case.source.path,
            "restart_path": self.use_case.source.restart_path,
            "data": dataset.kind,
            "origin": dataset.origin,
            "rows": len(dataset.rows),
            "batches": count,
            "rows_per_batch": batch_rows,
            "rows_per_call": sample_size(batch_rows, dataset.sample_share),
            "sample_share": dataset.sample_share,
            "columns": [column.name for column in self.use_case.columns],
            "batch_number_by_group": {
                str(group): cursor.batch_number for group, cursor in self._state.cursors(self.use_case.name).items()
            },
        }

    def summary(self) -> str:
        """Return what is served, in one line for the log."""
        facts = self.describe()
        return (
            f"{facts['data']} data, {facts['origin']}; {facts['rows']} rows in {facts['batches']} batches, "
            f"{facts['rows_per_call']} rows a call"
        )


def _check(group: int) -> None:
    if group not in GROUPS:
        raise InvalidGroup
