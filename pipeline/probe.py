"""After a promotion: does the inference API serve the new champion, and does it answer as the model should?"""

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from pipeline.bundle import PROBE_TOLERANCE, Bundle, load_bundle
from pipeline.errors import RegistryError, ServingError
from pipeline.promotion import rollback
from pipeline.registry import Registry
from pipeline.use_case import UseCase

if TYPE_CHECKING:
    from pipeline.warehouse import Warehouse

REQUEST_SECONDS = 10
# The champion itself, not a canary in its place; and no request of a user, to be counted or logged as one.
ASKED = {"alias": "champion", "log": "false"}
PAUSE_SECONDS = 0.5


def verify_serving(
    use_case: UseCase,
    warehouse: "Warehouse",
    registry: Registry,
    api_url: str,
    version: int,
    timeout: float = 120,
) -> dict[str, Any]:
    """Wait until the inference API serves a version, then send it the model's input example.

    An API that runs and does not come to serve the version, or answers the example wrongly, is sent back to the
    previous champion. One that cannot be reached says nothing about the model: the champion stays, and the API
    serves it when it is back.

    Parameters
    ----------
    timeout : seconds to wait for the version to be served.

    Returns
    -------
    dict
        The answer of the API to the example.

    Raises
    ------
    ServingError
        The version is not served, or not as it should be; the message says what was done about it.
    """
    url = f"{api_url.rstrip('/')}/models/{use_case.name}"
    bundle = _bundle(registry, use_case.name, version)
    deadline, reached, problem = time.monotonic() + timeout, False, ""
    while True:
        try:
            outcome = _ask(url, bundle, version)
        except requests.RequestException as error:
            outcome = problem if reached else f"the inference API at {url} does not answer ({type(error).__name__})"
        else:
            reached = True
        if isinstance(outcome, dict):
            problem = _difference(outcome, bundle)
            if not problem:
                return outcome
            break
        problem = outcome
        if time.monotonic() >= deadline:
            break
        time.sleep(PAUSE_SECONDS)
    if not reached:
        raise ServingError(
            f"{problem} in {timeout:g} s: check that it runs and that INFERENCE_API_URL names it. Version {version} "
            "stays the champion, and is served once the API is back"
        )
    raise ServingError(f"{problem}; {_go_back(registry, warehouse, use_case.name, version, problem)}")


def _ask(url: str, bundle: Bundle, version: int) -> dict[str, Any] | str:
    """The answer of the expected version to the input example, or what the API does instead (which may pass)."""
    response = requests.get(url, timeout=REQUEST_SECONDS)
    served = _json(response).get("champion_version")
    if served != version:
        found = f"version {served}" if served is not None else f"no version (status {response.status_code})"
        return f"the inference API at {url} serves {found} instead of version {version}"
    response = requests.post(f"{url}/predict", params=ASKED, json=bundle.input_example, timeout=REQUEST_SECONDS)
    answer = _json(response)
    if response.status_code != requests.codes.ok:
        return f"the inference API answers the input example with {response.status_code}: {response.text[:300]}"
    # Of several workers or replicas one may be a moment behind.
    if answer.get("model_version") != version:
        return f"the inference API answers with version {answer.get('model_version')} instead of version {version}"
    return answer


def _difference(answer: dict[str, Any], bundle: Bundle) -> str:
    """How an answer differs from the one recorded with the model; empty when it does not."""
    found, probabilities = answer.get("prediction"), answer.get("probabilities")
    if bundle.expects(found, probabilities, PROBE_TOLERANCE):
        return ""
    expected = bundle.expected
    return (
        f"the inference API answers the input example with {found!r}, the model says {expected.prediction!r}; "
        f"the probabilities are {probabilities}, the model's {expected.probabilities}"
    )


def _go_back(registry: Registry, warehouse: "Warehouse", name: str, version: int, problem: str) -> str:
    champion = registry.champion(name)
    if champion is None or champion.version != version:
        return "the champion is another version by now and was left alone"
    try:
        record = rollback(registry, warehouse, name, actor="verify_serving", reason=problem[:1000])
    except RegistryError as error:
        return f"it stays the champion: {error}"
    return f"rolled back to version {record.to_version}"


def _bundle(registry: Registry, name: str, version: int) -> Bundle:
    with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
        return load_bundle(registry.download_bundle(registry.resolve(name, version), Path(folder) / "serving"))


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except requests.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
