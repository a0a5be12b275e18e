"""The other model servers of `benchmarks.serving`: what they need, how they start, and how they are asked.

Each is installed in a virtual environment of its own below ``.local/peers``, in the versions pinned here.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.servers import ROOT

ENVIRONMENTS = ROOT / ".local" / "peers"
# The model is read by what wrote it.
COMMON = ("scikit-learn==1.9.1", "onnxruntime==1.31.1", "numpy==2.4.6", "pandas==3.1.1", "pyyaml==6.0.3", "joblib")
REQUIREMENTS = {
    "mlserver": ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "scikit-learn==1.9.1", "onnxruntime==1.31.1", "pyyaml"),
    "bentoml": ("bentoml==1.4.39", *COMMON),
    "litserve": ("litserve==0.2.19", *COMMON),
}

Record = dict[str, Any]


@dataclass(frozen=True)
class Peer:
    """One server.

    Attributes
    ----------
    command : starts it; ``PORT`` stands for the port.
    path, probe : where it predicts, and what answers 200 when it can.
    body : the JSON of a request with some records.
    """

    name: str
    command: list[str]
    path: str
    probe: str
    body: Callable[[list[Record]], Any]
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path = ROOT


def install(name: str) -> Path:
    """The ``bin`` of a peer's environment, made if its requirements have changed."""
    folder, wanted = ENVIRONMENTS / name, "\n".join(REQUIREMENTS[name])
    stamp = folder / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {name} in {folder}", flush=True)
        subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", "3.11", str(folder)], check=True)
        python = str(folder / "bin" / "python")
        command = ["uv", "pip", "install", "--quiet", "--python", python, *REQUIREMENTS[name]]
        subprocess.run(command, check=True, cwd=folder)
        stamp.write_text(wanted)
    return folder / "bin"


def peers(model: Path) -> list[Peer]:
    """Every peer, over the model in a folder: ``mlflow/``, ``model.joblib`` and the serving bundle."""
    names = ("mlserver", "bentoml", "litserve")
    mlserver, bentoml, litserve = (install(name) for name in names)
    own = Path(sys.executable).parent
    mlflow = [str(own / "mlflow"), "models", "serve", "-m", str(model / "mlflow"), "-p", "PORT"]
    found = [
        Peer(
            "mlflow models serve",
            [*mlflow, "--env-manager", "local", "--workers", "1"],
            "/invocations",
            "/ping",
            _split,
            {"PATH": f"{own}{os.pathsep}{os.environ['PATH']}"},
        )
    ]
    for kind in ("sklearn", "onnx"):
        environment = {"MODEL_FOLDER": str(model), "MODEL_KIND": kind, "PYTHONPATH": str(ROOT)}
        found += [
            Peer(
                f"MLServer, {kind}",
                [str(mlserver / "mlserver"), "start", "."],
                "/v2/models/covertype/infer",
                "/v2/models/covertype/ready",
                _tensors,
                environment,
                _mlserver_folder(model, kind),
            ),
            Peer(
                f"BentoML, {kind}",
                [str(bentoml / "bentoml"), "serve", "benchmarks.peers.bentoml_service:Covertype", "--port", "PORT"],
                "/predict",
                "/readyz",
                lambda records: {"rows": records},
                environment | {"BENTOML_DO_NOT_TRACK": "True"},
            ),
            Peer(
                f"LitServe, {kind}",
                [str(litserve / "python"), "-m", "benchmarks.peers.litserve_app", "PORT"],
                "/predict",
                "/health",
                lambda records: {"rows": records},
                environment,
            ),
        ]
    return found


def _mlserver_folder(model: Path, kind: str) -> Path:
    folder = model / f"mlserver-{kind}"
    folder.mkdir(exist_ok=True)
    runtime = "mlserver_sklearn.SKLearnModel" if kind == "sklearn" else "benchmarks.peers.mlserver_onnx.OnnxRuntime"
    settings = {
        "name": "covertype",
        "implementation": runtime,
        "parameters": {"uri": str(model / "model.joblib"), "content_type": "pd"},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings))
    # In the server's own process, which is quicker for a model that answers in milliseconds.
    (folder / "settings.json").write_text(json.dumps({"parallel_workers": 0, "debug": False}))
    return folder


def _split(records: list[Record]) -> dict[str, Any]:
    return {"dataframe_split": {"columns": list(records[0]), "data": [list(record.values()) for record in records]}}


def _tensors(records: list[Record]) -> dict[str, Any]:
    """Records as the Open Inference Protocol has them, with the hints that MLServer reads."""
    inputs = []
    for name, value in records[0].items():
        number = isinstance(value, int | float)
        inputs.append(
            {
                "name": name,
                "shape": [len(records), 1],
                "datatype": "INT64" if number else "BYTES",
                "data": [record[name] for record in records],
                "parameters": {} if number else {"content_type": "str"},
            }
        )
    return {"parameters": {"content_type": "pd"}, "inputs": inputs}
