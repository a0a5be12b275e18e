"""The stack of containers: sizes of its images, times to be up, memory when idle, time of a code change.

Run on a quiet machine; it works on a copy of the repository, beside a stack that runs:
``python -m benchmarks.stack``; with ``--cold-build`` after a first build that finds no cache at all.
"""

import argparse
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import requests

from tests.course_client import COURSE_RECORD
from tests.stack.compose_stack import ROOT, ComposeStack

IMAGES = ("inference-api", "ui", "external-data-api", "mlflow", "airflow")
TAG = "benchmark"
# For docker stats: the kernel counts a page of a file to who read it first, so its figure is on the high side.
IDLE_SAMPLES = 5


def timed(action: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def copy_repository(folder: Path) -> None:
    """What git knows of the working tree, so that a code change here is no change of the user's files."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in names.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def image_sizes(stack: ComposeStack) -> dict[str, float]:
    """MB of each image above the Python base."""

    def size(image: str) -> int:
        return int(stack.run("docker", "image", "inspect", "--format", "{{.Size}}", image).stdout)

    base = size("python:3.13-slim-trixie")
    return {name: (size(f"mlops-{name}:{TAG}") - base) / 1e6 for name in IMAGES}


def memory_mib(stack: ComposeStack) -> dict[str, float]:
    """Memory of each running service as ``docker stats`` shows it, the median of a few looks."""
    seen: dict[str, list[float]] = {}
    units = {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0}
    for _ in range(IDLE_SAMPLES):
        listing = stack.run("docker", "compose", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}").stdout
        for name, value, unit in re.findall(r"^(\S+) ([\d.]+)(KiB|MiB|GiB)", listing, re.MULTILINE):
            service = name.removeprefix(f"{stack.project}-").removesuffix("-1")
            seen.setdefault(service, []).append(float(value) * units[unit])
    return {service: median(values) for service, values in seen.items()}


def first_prediction(stack: ComposeStack) -> bool:
    """Wait for an answer by a trained model."""

    def ask() -> bool:
        return requests.post(f"{stack.api}/predict", json=COURSE_RECORD, timeout=10).status_code == 200

    return stack.wait("prediction", ask, patience=600)


def change_code(stack: ComposeStack) -> float:
    """Seconds until the inference API runs with one more line."""
    source = stack.root / "inference_api" / "__main__.py"
    source.write_text(source.read_text(encoding="utf-8") + "\n# one more line\n", encoding="utf-8")
    return timed(lambda: stack.compose("up", "--build", "--wait", "inference-api"))


def measure(stack: ComposeStack, cold_build: bool) -> None:
    """Print every figure as it is known."""
    if cold_build:
        stack.run("docker", "builder", "prune", "--all", "--force")
    title = "first build without cache" if cold_build else "build"
    print(f"{title}: {timed(lambda: stack.compose('build', timeout=1800)):.0f} s", flush=True)
    for name, size in image_sizes(stack).items():
        print(f"image {name}: {size:.0f} MB above the Python base", flush=True)
    start = time.perf_counter()
    stack.compose("up", "--wait", timeout=900)
    print(f"up on empty volumes: {time.perf_counter() - start:.1f} s", flush=True)
    first_prediction(stack)
    print(f"up to first prediction: {time.perf_counter() - start:.1f} s", flush=True)
    print(f"one line changed in the inference API, until it runs: {change_code(stack):.1f} s", flush=True)
    stack.compose("down")
    stack.settings |= {"COLLECT_INTERVAL_SECONDS": "300", "MIN_UPDATE_TIME": "300"}
    print(f"warm up: {timed(lambda: stack.compose('up', '--wait')):.1f} s", flush=True)
    stack.wait("end of running tasks", lambda: is_idle(stack), patience=900)
    memory = memory_mib(stack)
    for service, used in sorted(memory.items(), key=lambda item: -item[1]):
        print(f"memory {service}: {used:.0f} MiB", flush=True)
    print(f"memory of the idle stack: {sum(memory.values()):.0f} MiB", flush=True)


def is_idle(stack: ComposeStack) -> bool:
    """Whether no DAG run is waiting or running."""
    return not stack.airflow.dag_runs(state="running") and not stack.airflow.dag_runs(state="queued")


def main() -> None:
    """Measure and clean up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cold-build", action="store_true", help="empty Docker's build cache first, all of it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy_repository(Path(folder))
        pace = {"COLLECT_INTERVAL_SECONDS": "10", "MIN_UPDATE_TIME": "10", "IMAGE_TAG": TAG}
        stack = ComposeStack("mlops-benchmark", pace, Path(folder))
        stack.remove()
        try:
            measure(stack, options.cold_build)
        finally:
            stack.remove()
            stack.run("docker", "image", "rm", *(f"mlops-{name}:{TAG}" for name in IMAGES))


if __name__ == "__main__":
    main()
