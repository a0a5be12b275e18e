"""The overlays, built once."""

import os

import pytest

from tests.kustomize import NO_KUSTOMIZE, OVERLAYS, Manifests, build, find_kustomize


@pytest.fixture(scope="session")
def _kustomize() -> None:
    """Skips where there is none, unless ``REQUIRE_KUSTOMIZE=1`` says there must be."""
    if find_kustomize() is None:
        if os.environ.get("REQUIRE_KUSTOMIZE") == "1":
            pytest.fail(f"REQUIRE_KUSTOMIZE=1, but {NO_KUSTOMIZE}")
        pytest.skip(NO_KUSTOMIZE)


@pytest.fixture(scope="session")
def local(_kustomize: None) -> Manifests:
    return build(OVERLAYS / "local")


@pytest.fixture(scope="session")
def production(_kustomize: None) -> Manifests:
    return build(OVERLAYS / "production")


@pytest.fixture(scope="session", params=["local", "production"])
def overlay(request: pytest.FixtureRequest) -> Manifests:
    manifests: Manifests = request.getfixturevalue(request.param)
    return manifests
