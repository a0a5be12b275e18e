"""A fourth use case as the documentation writes it, and rows for it."""

import csv
import re
from pathlib import Path

import numpy as np

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "new-use-case.md"


def yaml_of_the_guide() -> str:
    """The use case that the guide walks through: what is documented is what is tested."""
    found = re.search(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"no YAML in {GUIDE}"
    return found.group(1)


WINE = yaml_of_the_guide()


def write_wine_rows(path: Path, count: int = 400, seed: int = 0) -> Path:
    """Wines whose quality follows from alcohol and acidity; some values missing, as in real files."""
    random = np.random.default_rng(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        # In another order than the YAML's, with a column it does not name.
        writer.writerow(["quality", "bottle", "alcohol", "acidity", "colour", "bottled"])
        for bottle in range(count):
            alcohol, acidity = random.uniform(8, 15), random.uniform(3, 9)
            good = alcohol - acidity + random.normal(0, 0.4) > 5.5
            colour = random.choice(["red", "white", ""])
            day = f"20{random.integers(10, 24)}-{random.integers(1, 13):02d}-{random.integers(1, 29):02d}"
            writer.writerow(["good" if good else "poor", bottle, f"{alcohol:.1f}", f"{acidity:.2f}", colour, day])
    return path
