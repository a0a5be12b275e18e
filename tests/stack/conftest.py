"""One stack of containers for all tests here, in the order of the files: settings, loop, notebook, recovery."""

import os
import secrets
import sys
from collections.abc import Generator, Iterator

import pytest

from tests.integration.containers import docker_problem
from tests.stack.compose_stack import ComposeStack

# Batches that do not run out while the tests last, and large enough to train on the first.
SETTINGS = {
    "COLLECT_INTERVAL_SECONDS": "15",
    "MIN_UPDATE_TIME": "25",
    "BATCH_COUNT": "60",
    "SAMPLE_SHARE": "0.8",
    "MODEL_POLL_SECONDS": "1",
}


@pytest.fixture(scope="session", autouse=True)
def docker() -> None:
    problem = docker_problem()
    if problem and os.environ.get("REQUIRE_DOCKER"):
        pytest.fail(problem)
    elif problem:
        pytest.skip(problem)


@pytest.fixture
def project() -> Iterator[ComposeStack]:
    """A project that does not run yet."""
    stack = ComposeStack(f"mlops-test-{secrets.token_hex(3)}")
    yield stack
    stack.remove()


@pytest.fixture(scope="session")
def stack(docker: None) -> Iterator[ComposeStack]:  # noqa: ARG001
    running = ComposeStack(f"mlops-test-{secrets.token_hex(3)}", dict(SETTINGS))
    try:
        running.compose("up", "--build", "--wait", "--wait-timeout", "400", timeout=1500)
        yield running
    except AssertionError:
        print(running.report(), file=sys.stderr)
        raise
    finally:
        running.remove()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the state of the stack to a test that failed on it."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if call.when == "call" and report.failed and isinstance(stack, ComposeStack):
        report.sections.append(("stack", stack.report()))
    return report
