"""Builds of the manifests in ``deploy/k8s``, and what to ask of them."""

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
OVERLAYS = REPOSITORY / "deploy" / "k8s" / "overlays"
NO_KUSTOMIZE = (
    "no kustomize: apt install kustomize, or kubectl, or go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1"
)
WORKLOADS = ("Deployment", "StatefulSet", "Job")


def find_kustomize() -> list[str] | None:
    """The command that builds a folder, or None."""
    if found := shutil.which(os.environ.get("KUSTOMIZE") or "kustomize"):
        return [found, "build"]
    return [kubectl, "kustomize"] if (kubectl := shutil.which("kubectl")) else None


@dataclass(frozen=True)
class Workload:
    """Something that makes pods."""

    kind: str
    name: str
    spec: dict[str, Any]
    wave: int

    @property
    def labels(self) -> dict[str, str]:
        """Labels of its pods."""
        labels: dict[str, str] = self.spec["template"]["metadata"]["labels"]
        return labels

    @property
    def pod(self) -> dict[str, Any]:
        """Specification of its pods."""
        pod: dict[str, Any] = self.spec["template"]["spec"]
        return pod

    @property
    def container(self) -> dict[str, Any]:
        """The one container that does its work."""
        (container,) = self.pod["containers"]
        return dict(container)

    @property
    def containers(self) -> list[dict[str, Any]]:
        """That one, and those that prepare the pod."""
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]


class Manifests:
    """Objects of one build."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.objects: list[dict[str, Any]] = [document for document in yaml.safe_load_all(text) if document]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Objects of a kind by name."""
        return {thing["metadata"]["name"]: thing for thing in self.objects if thing["kind"] == kind}

    def workloads(self) -> Iterator[Workload]:
        """Everything that makes pods."""
        for thing in self.objects:
            if thing["kind"] in WORKLOADS:
                yield Workload(thing["kind"], thing["metadata"]["name"], thing["spec"], wave(thing))

    def workload(self, name: str) -> Workload:
        """The one of that name."""
        return next(workload for workload in self.workloads() if workload.name == name)

    def environment(self, container: dict[str, Any], secrets: dict[str, str] | None = None) -> dict[str, str]:
        """What the program in a container finds in its environment.

        Parameters
        ----------
        secrets : values in place of those of the Secrets in the build.
        """
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                found |= self.of("ConfigMap")[source["configMapRef"]["name"]]["data"]
            else:
                found |= secrets or self.secret(source["secretRef"]["name"])
        for variable in container.get("env", []):
            if "value" in variable:
                value = variable["value"]
            else:
                reference = variable["valueFrom"]["secretKeyRef"]
                value = (secrets or self.secret(reference["name"]))[reference["key"]]
            found[variable["name"]] = expand(value, found)
        return found

    def secret(self, name: str) -> dict[str, str]:
        """Values of a Secret."""
        return {key: base64.b64decode(value).decode() for key, value in self.of("Secret")[name]["data"].items()}


def expand(text: str, values: dict[str, str]) -> str:
    """Replace ``$(NAME)`` as Kubernetes does: by what is defined before, else not at all."""
    return re.sub(r"\$\((\w+)\)", lambda match: values.get(match[1], match[0]), text)


def wave(thing: dict[str, Any]) -> int:
    """In which of Argo CD's waves an object comes."""
    return int(thing["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", 0))


def build(folder: Path) -> Manifests:
    """Build a folder.

    Raises
    ------
    RuntimeError
        Kustomize refuses it; the message is its own.
    """
    command = find_kustomize()
    assert command, NO_KUSTOMIZE
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{folder}: {done.stderr}")
    return Manifests(done.stdout)
