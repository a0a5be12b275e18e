"""Every text of the UI by key, in the order of ``ui.i18n.LANGUAGES``: a module a page."""

from collections.abc import Mapping

from ui.texts.batch import BATCH
from ui.texts.common import COMMON
from ui.texts.data import DATA
from ui.texts.models import MODELS
from ui.texts.monitoring import MONITORING
from ui.texts.predict import PREDICT

TEXTS: Mapping[str, tuple[str, str]] = {**COMMON, **PREDICT, **BATCH, **MODELS, **DATA, **MONITORING}
