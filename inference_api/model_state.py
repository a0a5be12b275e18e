"""What the model store knows of one model, and how long it leaves alone what failed."""

import random
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inference_api.predictor import Predictor
from pipeline.model_version import VersionInfo

if TYPE_CHECKING:
    from inference_api.traffic import Traffic

LONGEST_PAUSE_SECONDS = 60.0
_CREDENTIALS = re.compile(r"(?<=://)[^\s/]*@")
# Of a URL, and as urllib3 and PyMySQL quote one; what ends a sentence is no part of it.
_HOST = re.compile(r"""(?<=://)[^\s/'"()\[\]]*[^\s/'"()\[\].:,;]|(?<=host=')[^']+|(?<=server on ')[^']+""")


def problem_of(error: Exception) -> str:
    """What an error says, without the credentials of any URL it quotes; for the log, and who runs the service."""
    return _CREDENTIALS.sub("", str(error)) or type(error).__name__


def shown_problem(error: Exception) -> str:
    """What an error says to anybody: without the hosts it names, which are for the log."""
    return _HOST.sub("…", problem_of(error))


@dataclass(frozen=True)
class ModelState:
    """What is known of one model.

    Attributes
    ----------
    predictor, served : the model that is served and the version it was registered as, None before the first.
    versions : what the registry said last, newest first; kept through its outages.
    problem : why the champion of the registry is not the version served; None when it is.
    confirmed : whether the registry has named the served version as champion since the start.
    traffic : what another version has to do with the requests; None where nobody ever set it.
    """

    name: str
    predictor: Predictor | None = None
    served: VersionInfo | None = None
    versions: tuple[VersionInfo, ...] = ()
    problem: str | None = None
    confirmed: bool = False
    traffic: "Traffic | None" = None

    def loaded(self, version: VersionInfo) -> Predictor | None:
        """The predictor of a version where it is loaded for what the model serves."""
        if self.served is not None and is_same(self.served, version):
            return self.predictor
        traffic = self.traffic
        beside = traffic is not None and traffic.version is not None and is_same(traffic.version, version)
        return traffic.predictor if beside and traffic is not None else None

    @property
    def still_serving(self) -> str:
        """The end of a sentence about a version that cannot be served."""
        return f"; still serving version {self.predictor.version}" if self.predictor else ""

    @property
    def champion(self) -> VersionInfo | None:
        return next((version for version in self.versions if version.is_champion), None)

    @property
    def status(self) -> str:
        if self.predictor is None:
            return "no champion" if self.champion is None else "not loaded"
        return "serving" if self.problem is None else "stale"


def is_same(served: VersionInfo, version: VersionInfo) -> bool:
    """Whether two versions are one model: a number alone is one in one registry only."""
    return served.version == version.version and served.run_id == version.run_id


@dataclass
class Failures:
    """Exponential back-off of one thing that fails, with jitter so that replicas do not ask in step."""

    count: int = 0
    retry_at: float = 0.0

    @property
    def remaining(self) -> float:
        """Seconds until another attempt."""
        return self.retry_at - time.monotonic()

    def add(self, first_pause: float) -> float:
        self.count += 1
        pause = min(LONGEST_PAUSE_SECONDS, first_pause * 2 ** min(self.count - 1, 10)) * random.uniform(0.75, 1.25)
        self.retry_at = time.monotonic() + pause
        return pause


@dataclass
class Attempts:
    """Failed loads of one version; another one starts afresh."""

    version: VersionInfo
    failures: Failures = field(default_factory=Failures)
