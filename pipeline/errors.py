"""Errors a user can act on. Their message names what is wrong, where, and what to do about it."""

import re


class PipelineError(Exception):
    """Base of every expected failure: the message is for the user, a traceback adds nothing."""


class ConfigurationError(PipelineError):
    """A setting or a use case file is missing, malformed or contradicts another one."""


class SourceError(PipelineError):
    """The batch source could not deliver: unreachable, 5xx, time-out or an unreadable reply. Worth a retry."""


class SourceRejected(PipelineError):
    """The batch source refused the request for good (for example a bad group number). A retry cannot help."""


class SourceExhausted(PipelineError):
    """The batch source has handed out its last batch. Not a failure: there is nothing more to collect."""


class CollectionBusy(PipelineError):
    """Another poll of the same source is under way; this one must wait for it."""


class LakeError(PipelineError):
    """Object storage is unreachable, refuses the credentials, or holds no object at the given URI."""


class WarehouseError(PipelineError):
    """The data warehouse is unreachable, has an old schema, or refused what was written."""


class TrainingError(PipelineError):
    """The rows at hand cannot train a model (too few, one class only, a constant column, …)."""


class RegistryError(PipelineError):
    """The model registry is unreachable or does not hold the version or alias asked for."""


class RegistryUnavailable(RegistryError):
    """The model registry does not answer, or lacks its database or storage: worth another try."""


class ArtifactsGone(RegistryError):
    """A version is registered, and its serving bundle in MLflow is missing or damaged: trying again cannot help."""


class ServingError(PipelineError):
    """The inference API did not come to serve the expected model version, or its probe failed."""


def without_password(url: str) -> str:
    """The URL as a message may show it: without user name and password."""
    return re.sub(r"(?<=://)[^/]*@", "", url)
