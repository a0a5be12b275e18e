"""The model registry: one registered model per use case, in MLflow.

The alias ``champion`` says which version is served; the stage ``Production`` says the same to MLflow's own tools.
MLflow cannot move both at once, so the stage moves first and the alias last: until the alias moves nothing has
changed for serving, and whatever a crash leaves in between is put right by the next promotion or `Registry.repair`.

Only the MLflow client is imported here, and late: the inference API runs this module with ``mlflow-skinny``.
"""

import json
import warnings
from collections.abc import Mapping

from pipeline.errors import RegistryError, without_password
from pipeline.mlflow_client import Tolerate, explained, global_tracking_uri
from pipeline.model_version import CHAMPION, VersionInfo, read_version
from pipeline.traffic import TRAFFIC_TAG, TrafficRule, read_rule
from pipeline.version_artifacts import BUNDLE_FOLDER, VersionArtifacts

CHALLENGER = "challenger"
PRODUCTION = "Production"
ARCHIVED = "Archived"


class Registry(VersionArtifacts):
    """The registered models of one MLflow server, and the files of their versions.

    Every method raises `RegistryError`, with a message that says what to check, when the server cannot be used
    or does not hold what was asked for.

    Parameters
    ----------
    tracking_uri : ``http://…`` of the MLflow server, or ``sqlite:///…`` for a store in a file.
    """

    # ---- reading -------------------------------------------------------------------------------------------------

    def models(self) -> list[str]:
        """Names of the registered models, in alphabetical order."""
        return sorted(self.model_tags())

    def model_tags(self) -> dict[str, dict[str, str]]:
        """Tags of every registered model, by its name."""
        tags: dict[str, dict[str, str]] = {}
        token: str | None = None
        with explained(self.tracking_uri, "list the registered models"):
            while token is None or token:
                page = self._client.search_registered_models(max_results=100, page_token=token)
                tags |= {model.name: dict(model.tags) for model in page}
                token = page.token or ""
        return tags

    def traffic(self, name: str) -> TrafficRule | None:
        """The traffic rule of a model; None when it has none."""
        with explained(self.tracking_uri, f"read the traffic rule of {name}"):
            return read_rule(self._client.get_registered_model(name).tags)

    def versions(self, name: str) -> list[VersionInfo]:
        """All versions of a model, the newest first; empty when the model is not registered."""
        with explained(self.tracking_uri, f"list the versions of {name}"):
            aliases = self._aliases(name)
            if aliases is None:
                return []
            # MLflow's filters take either quote around a text and know no escape for it; a name with both has no use
            # case here.
            quote = '"' if "'" in name else "'"
            found = [] if quote in name else self._client.search_model_versions(f"name={quote}{name}{quote}")
        versions = [read_version(version, aliases) for version in found]
        return sorted(versions, key=lambda version: version.version, reverse=True)

    def champion(self, name: str) -> VersionInfo | None:
        """The version in production, or None when there is none yet."""
        # An unknown alias of a known model is an "invalid parameter" to MLflow.
        absent = Tolerate("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
        with explained(self.tracking_uri, f"find the champion of {name}"), absent:
            version = self._client.get_model_version_by_alias(name, CHAMPION)
            return read_version(version, dict.fromkeys(version.aliases, int(version.version)))
        return None

    def resolve(self, name: str, reference: int | str) -> VersionInfo:
        """Find a version by its number or by an alias (``champion``, ``challenger``)."""
        wanted = str(reference)
        versions = self.versions(name)
        for version in versions:
            if wanted == str(version.version) or wanted in version.aliases:
                return version
        if not versions:
            raise RegistryError(
                f"there is no model {name!r} in {without_password(self.tracking_uri)}; {self._known_models()}"
            )
        numbers = ", ".join(str(version.version) for version in reversed(versions))
        aliases = ", ".join(sorted(alias for version in versions for alias in version.aliases)) or "none"
        kind = "version" if wanted.isdecimal() else "alias"
        raise RegistryError(f"model {name!r} has no {kind} {wanted!r}; versions: {numbers}; aliases: {aliases}")

    def previous_champion(self, name: str) -> VersionInfo | None:
        """The version that a roll back returns to, or None when the champion replaced none."""
        champion = self.champion(name)
        if champion is None or champion.previous_champion is None:
            return None
        return self.resolve(name, champion.previous_champion)

    def earlier_champions(self, name: str) -> list[int]:
        """The champions that roll backs would return to, one after the other."""
        versions = {version.version: version for version in self.versions(name)}
        current = next((version for version in versions.values() if version.is_champion), None)
        found: list[int] = []
        # Promoting an old champion again makes the chain a ring.
        while current and current.previous_champion in versions and current.previous_champion not in found:
            found.append(current.previous_champion)
            current = versions[current.previous_champion]
        return found

    # ---- writing -------------------------------------------------------------------------------------------------

    def register(
        self,
        name: str,
        run_id: str,
        model_uri: str,
        tags: Mapping[str, str],
        metrics: Mapping[str, float] | None = None,
    ) -> VersionInfo:
        """Register the model of a run as a new version and make it the challenger.

        Registering the same run again returns the version it already has, so a task may be retried.
        """
        with explained(self.tracking_uri, f"register the model of run {run_id} as {name}"):
            if self._aliases(name) is None:
                # Another process may register its first version at this very moment.
                with Tolerate("RESOURCE_ALREADY_EXISTS"):
                    self._client.create_registered_model(name)
            version = next((known for known in self.versions(name) if known.run_id == run_id), None)
            if version is None:
                all_tags = dict(tags) | {"metrics": json.dumps(dict(metrics or {}), sort_keys=True)}
                # The server refuses a logged model as source (models:/m-…) that is not named as the model, too.
                model_id = model_uri.removeprefix("models:/") if model_uri.startswith("models:/m-") else None
                with global_tracking_uri(self.tracking_uri):
                    created = self._client.create_model_version(
                        name, model_uri, run_id, all_tags, await_creation_for=0, model_id=model_id
                    )
                version = read_version(created, {})
            if not version.is_champion:
                self._client.set_registered_model_alias(name, CHALLENGER, str(version.version))
        return self.resolve(name, version.version)

    def promote(self, name: str, version: int, *, remember: bool = True) -> VersionInfo:
        """Make a version the champion: stage ``Production`` first, alias ``champion`` last.

        Safe to repeat after a crash anywhere inside.

        Parameters
        ----------
        remember : whether a later roll back returns to the champion that is replaced now. A roll back itself does
            not remember, so that a second one goes one step further back.
        """
        target = self.resolve(name, version)
        self._require_bundle(target)
        champion = self.champion(name)
        with explained(self.tracking_uri, f"promote version {version} of {name}"):
            if remember and champion is not None and champion.version != version:
                self.tag(target, {"previous_champion": str(champion.version)})
            self._set_production(name, version)
            self._client.set_registered_model_alias(name, CHAMPION, str(version))
            if CHALLENGER in target.aliases:
                self._client.delete_registered_model_alias(name, CHALLENGER)
        return self.resolve(name, version)

    def repair(self, name: str) -> bool:
        """Make stage ``Production`` agree with the alias ``champion``, which is what serving follows.

        A version in ``Production`` where no alias exists (a first promotion cut short, or a stage set by hand in
        MLflow) becomes the champion.

        Returns
        -------
        bool
            Whether anything had to be repaired.
        """
        versions = self.versions(name)
        staged = [version for version in versions if version.stage == PRODUCTION]
        champion = next((version for version in versions if version.is_champion), staged[0] if staged else None)
        if champion is None or (champion.is_champion and staged == [champion]):
            return False
        with explained(self.tracking_uri, f"repair the stages of {name}"):
            self._set_production(name, champion.version)
            # Only where there is none: a promotion that is under way may have moved it since it was read.
            if not champion.is_champion and self.champion(name) is None:
                self._client.set_registered_model_alias(name, CHAMPION, str(champion.version))
        return True

    def tag(self, version: VersionInfo, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        with explained(self.tracking_uri, f"tag version {version.version} of {version.name}"):
            for key, value in tags.items():
                self._client.set_model_version_tag(version.name, str(version.version), key, value)

    def set_traffic(self, name: str, rule: TrafficRule) -> None:
        """Keep the traffic rule of a model, for every replica of the inference API to follow."""
        with explained(self.tracking_uri, f"set the traffic rule of {name}"):
            self._client.set_registered_model_tag(name, TRAFFIC_TAG, rule.model_dump_json())

    # ---- helpers -------------------------------------------------------------------------------------------------

    def _aliases(self, name: str) -> dict[str, int] | None:
        """Alias → version of a model; None when there is no such model."""
        with Tolerate("RESOURCE_DOES_NOT_EXIST"):
            aliases = self._client.get_registered_model(name).aliases
            return {alias: int(version) for alias, version in aliases.items()}
        return None

    def _set_production(self, name: str, version: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # stages are deprecated, and still what MLflow's tools show
            self._client.transition_model_version_stage(name, str(version), PRODUCTION, archive_existing_versions=True)
            # Two promotions at once may each miss the other's version.
            for other in self.versions(name):
                if other.stage == PRODUCTION and other.version != version:
                    self._client.transition_model_version_stage(name, str(other.version), ARCHIVED)

    def _require_bundle(self, version: VersionInfo) -> None:
        if "serving_digest" not in version.tags:
            return  # registered by other means: served through its signature
        label = f"version {version.version} of {version.name}"
        with explained(self.tracking_uri, f"look for the serving bundle of {label}"):
            files = self._client.list_artifacts(version.run_id, BUNDLE_FOLDER)
        if not files:
            raise RegistryError(f"{label} has no serving bundle: its artifacts in MLflow are gone; nothing was changed")

    def _known_models(self) -> str:
        return "registered: " + (", ".join(self.models()) or "none yet (train one with `mlops train`)")
