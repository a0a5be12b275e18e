"""A model version without a serving bundle of ours: the slow path, through the model that MLflow keeps.

scikit-learn, pandas and skops are imported only when such a model is loaded: they take 150 MB of memory, and the lean
image of the service has none of them.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference_api.errors import Refusal, invalid, mistake
from inference_api.model_table import model_table, parts_by_presence
from inference_api.predictor import Predictor
from inference_api.signature import Description, SignatureBundle, columns_of, example_of, read_description
from pipeline.bundle import BundleError
from pipeline.model_version import VersionInfo
from pipeline.trusted_types import TRUSTED_TYPES

logger = logging.getLogger(__name__)

NEEDED = (
    "needs scikit-learn, pandas and skops, which this service lacks: build the image with INFERENCE_ANY_MODEL=true, "
    "or install the dependency group inference-any-model"
)
NO_PICKLE = (
    "is a pickle, which runs whatever code it holds when it is read: log it with serialization_format='skops', "
    "or set ALLOW_PICKLE_MODELS=true where all who write to the registry are trusted"
)


class PyfuncPredictor(Predictor):
    """A scikit-learn or pyfunc model, read from the folder that MLflow keeps of it.

    Parameters
    ----------
    version : as registered.
    folder : holds ``MLmodel``.
    allow_pickle : whether files may be read that can run code.

    Raises
    ------
    BundleError
        A library is missing, the model has no usable signature, its file is damaged or of a form that is not allowed,
        or it does not answer its own input example (without one, a made-up record).
    """

    path = "pyfunc"

    def __init__(self, version: VersionInfo, folder: Path, *, allow_pickle: bool) -> None:
        label = f"{version.name} version {version.version}"
        description = read_description(folder, label)
        columns = columns_of(description, label)
        self._model = _load(description, folder, label, allow_pickle=allow_pickle)
        classes = _classes(self._model)
        bundle = SignatureBundle(
            use_case=version.name,
            task="classification" if classes else "regression",
            title=version.name,
            target=description.target,
            classes=[str(value) for value in classes],
            columns=columns,
            input_example=example_of(description, folder, columns),
            metrics={name: value for name, value in version.metrics.items() if math.isfinite(value)},
            dataset_digest="",
            run_id=version.run_id,
            created_at=version.created_at.isoformat(),
        )
        super().__init__(version.name, version.version, bundle)
        self.class_values = classes
        self._places = {value: place for place, value in enumerate(classes)}
        self._columns = columns
        self.is_tensor = description.is_tensor
        # Through MLflow, which checks what a model is given against its signature; a scikit-learn model takes NaN.
        through_mlflow = "sklearn" not in description.flavors
        self._optional = [column for column in columns if through_mlflow and column.nullable and column.lacks_nan]
        self.has_probabilities = hasattr(self._model, "predict_proba")
        if bundle.input_example:
            self._check_example()
        else:
            self._check_made_up()

    def scores(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> NDArray[np.float64]:
        return self.decisions(columns)[0]

    def decisions(
        self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        try:
            return self._decide(columns)
        except Exception as error:
            if (cause := _cause_in_values(error)) is None:
                raise
            reason = f"{self} cannot predict these values: {cause}"
            raise invalid([mistake((), reason, "prediction_failed")]) from None

    def _decide(
        self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """What `decisions` answers; the model may raise anything."""
        table = model_table(self._columns, columns, is_tensor=self.is_tensor)
        count = len(table)
        if self._optional:
            scores = np.empty((count, 1))
            for rows, part in parts_by_presence(table, self._optional):
                scores[rows] = _numbers(self._predict(part), str(self))
            return scores, np.zeros(count, dtype=np.intp)
        answers = self._predict(table)
        if not self.classes:
            return _numbers(answers, str(self)), np.zeros(count, dtype=np.intp)
        try:
            # By the model itself: its threshold, which may be deep inside, need not take the most probable class.
            places = np.array([self._places[value] for value in answers.tolist()], dtype=np.intp)
        except KeyError as error:
            raise BundleError(f"{self} answers {error}, which is none of its classes_") from None
        if not self.has_probabilities:
            return np.eye(len(self.classes))[places], places
        probabilities = np.asarray(self._model.predict_proba(table), dtype=np.float64)
        if probabilities.shape != (count, len(self.classes)):
            raise BundleError(f"{self} gives probabilities of shape {list(probabilities.shape)}")
        return probabilities, places

    def _predict(self, table: Any) -> NDArray[Any]:
        """One answer a row [N]."""
        answers = np.asarray(self._model.predict(table))
        if answers.ndim == 2 and answers.shape[1] == 1:
            answers = answers[:, 0]
        if answers.shape != (len(table),):
            raise BundleError(
                f"{self} answers {len(table)} records with an array of shape {list(answers.shape)}: "
                "only models with one answer a record are served"
            )
        return answers

    def _check_example(self) -> None:
        """Probe with the input example: it must be answered, whatever the answer is."""
        try:
            values = self.validator.read_one(msgspec.json.encode(self.bundle.input_example), named=False)
            self.predict_one(values)
            self.predict_many([values, values])
        except Refusal as refusal:
            raise BundleError(f"{self} does not answer its input example: {refusal.detail}") from None
        except BundleError:
            raise
        except Exception as error:  # a model of any make raises anything
            raise BundleError(f"{self} fails on its input example: {type(error).__name__}: {error}") from error

    def _check_made_up(self) -> None:
        """Probe with a record made up from the signature, where no example was logged."""
        values = {column.name: [column.made_up] * 2 for column in self._columns}
        try:
            self._decide(values)
        except BundleError:
            raise
        except Exception as error:
            # Encoders refuse a text or whole number that they do not know, which says nothing against others.
            # (A model that was never fitted raises what is both a ValueError and an AttributeError.)
            may_be_unknown = any(column.type in ("text", "integer") for column in self._columns)
            if may_be_unknown and isinstance(error, ValueError) and not isinstance(error, AttributeError):
                logger.warning("%s was not tried before it is served, as it has no input example: %s", self, error)
                return
            raise BundleError(
                f"{self} does not answer a record made up from its signature: {type(error).__name__}: "
                f"{_first_line(str(error))}. If it should, log it with an input example, which is then tried instead"
            ) from error


def _cause_in_values(error: Exception) -> str | None:
    """What a model has against the values that it was given; None for an error of another kind."""
    # What scikit-learn raises for values it cannot take.
    if isinstance(error, ValueError | TypeError):
        return _first_line(str(error)) or type(error).__name__
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException) and error.get_http_status_code() == 400:
        # Of a schema that was not kept: before the reason come the data and the schema, at length.
        return _first_line(str(error).rpartition("Error: ")[2])
    return None


def _first_line(text: str) -> str:
    return next(iter(text.splitlines()), "")


def _load(description: Description, folder: Path, label: str, *, allow_pickle: bool) -> Any:
    flavor = description.flavors.get("sklearn")
    try:
        if flavor is not None and flavor.get("serialization_format") == "skops":
            return _load_skops(folder / str(flavor.get("pickled_model")), label)
        if not allow_pickle:
            raise BundleError(f"{label} {NO_PICKLE}")
        if flavor is not None:
            import mlflow.sklearn

            return mlflow.sklearn.load_model(str(folder))
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(str(folder))
    except ImportError as error:
        if error.name in ("sklearn", "pandas", "skops", "scipy"):
            raise BundleError(f"{label} {NEEDED}") from None
        raise BundleError(f"{label} needs {error.name or error}, which this service lacks") from None
    except BundleError:
        raise
    except Exception as error:  # a damaged file makes its reader raise anything
        raise BundleError(f"the model file of {label} cannot be read: {type(error).__name__}: {error}") from error


def _load_skops(path: Path, label: str) -> Any:
    # The types that the model's own description trusts say nothing: who could plant a model could write them as well.
    import pandas  # noqa: F401 (so that a lack is found here, not at the first request)
    import sklearn  # noqa: F401
    import skops.io

    untrusted = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED_TYPES))
    if untrusted:
        raise BundleError(f"the model file of {label} holds types that are not trusted: {', '.join(untrusted[:5])}")
    return skops.io.load(path, trusted=TRUSTED_TYPES)


def _classes(model: Any) -> list[Any]:
    found = getattr(model, "classes_", None)
    # One list of classes for each of several outputs is another thing.
    return [] if found is None or isinstance(found, list) else np.asarray(found).tolist()


def _numbers(answers: NDArray[Any], label: str) -> NDArray[np.float64]:
    """The answers of a regression [N] as scores [N, 1]."""
    try:
        return answers.astype(np.float64).reshape(-1, 1)
    except (TypeError, ValueError):
        raise BundleError(f"{label} answers texts and does not say which classes there are") from None
