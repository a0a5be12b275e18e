"""A model version without a serving bundle of ours: the slow path, through the model that MLflow keeps.

scikit-learn, pandas and skops are imported only when such a model is loaded: they take 150 MB of memory, and the lean
image of the service has none of them.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference_api.errors import Refusal, invalid, mistake
from inference_api.predictor import Predictor
from inference_api.signature import Description, SignatureBundle, columns_of, example_of, read_description
from pipeline.bundle import BundleError
from pipeline.model_version import VersionInfo
from pipeline.trusted_types import TRUSTED_TYPES

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
        or it does not answer its own input example.
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
        self._is_tensor = description.is_tensor
        self.has_probabilities = hasattr(self._model, "predict_proba")
        self._check_example()

    def scores(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> NDArray[np.float64]:
        return self.decisions(columns)[0]

    def decisions(
        self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        try:
            return self._decide(self._table(columns))
        except (ValueError, TypeError) as error:  # what scikit-learn raises for values it cannot take
            cause = next(iter(str(error).splitlines()), type(error).__name__)
            reason = f"{self} cannot predict these values: {cause}"
            raise invalid([mistake((), reason, "prediction_failed")]) from None

    def _decide(self, table: Any) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """What `decisions` answers; the model may raise anything."""
        count = len(table)
        answers = np.asarray(self._model.predict(table))
        if answers.ndim == 2 and answers.shape[1] == 1:
            answers = answers[:, 0]
        if answers.shape != (count,):
            raise BundleError(
                f"{self} answers {count} records with an array of shape {list(answers.shape)}: "
                "only models with one answer a record are served"
            )
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

    def _table(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> Any:
        """The records as the model takes them: a DataFrame, or an array without names."""
        import pandas as pd

        found: dict[str, Any] = {}
        for column in self.bundle.columns:
            values = columns[column.name]
            if column.type == "date":
                found[column.name] = pd.to_datetime(pd.Series(list(values), dtype=object))
            elif column.is_numeric:
                found[column.name] = np.array([math.nan if v is None else v for v in values], dtype=np.float64)
                if column.type == "integer" and not column.nullable:
                    found[column.name] = found[column.name].astype(np.int64)
            else:
                found[column.name] = pd.Series(list(values), dtype=object)
        return np.column_stack(list(found.values())) if self._is_tensor else pd.DataFrame(found)

    def _check_example(self) -> None:
        """Probe with the input example where one was logged: it must be answered, whatever the answer is."""
        if not self.bundle.input_example:
            return
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
