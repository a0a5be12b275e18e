"""Finds what a path names: a model that is registered, or a use case that has none yet."""

from inference_api.collaborators import Records
from inference_api.errors import Refusal
from inference_api.model_state import ModelState
from inference_api.model_store import ModelStore
from pipeline.use_case import UseCase


def known_model(store: ModelStore, records: Records, name: str) -> tuple[ModelState | None, UseCase | None]:
    """What the store knows of a model, and its use case; at least one of them is there.

    Raises
    ------
    Refusal
        404 for a name that neither has, naming those there are.
    """
    state, use_case = store.states.get(name), records.use_cases().get(name)
    if state is None and use_case is None:
        names = sorted({*store.states, *records.use_cases()})
        raise Refusal(404, f"there is no model {name!r}; models: {', '.join(names) or 'none yet'}")
    return state, use_case


def known_use_case(records: Records, name: str) -> UseCase:
    """The use case of a name.

    Raises
    ------
    Refusal
        404 for a name that no use case has, naming those there are.
    """
    use_cases = records.use_cases()
    if name not in use_cases:
        raise Refusal(404, f"there is no use case {name!r}; use cases: {', '.join(use_cases) or 'none'}")
    return use_cases[name]
