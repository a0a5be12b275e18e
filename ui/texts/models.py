"""Texts of the page Models: English, Spanish."""

from collections.abc import Mapping

MODELS: Mapping[str, tuple[str, str]] = {
    # Models
    "models.title": ("Models", "Modelos"),
    "models.intro": (
        "What is served now, and every version that was trained.",
        "Lo que se sirve ahora y todas las versiones entrenadas.",
    ),
    "models.champion": ("Champion", "Campeón"),
    "models.version": ("version {version}", "versión {version}"),
    "models.no_champion": ("none yet", "aún ninguno"),
    "models.no_versions": ("No version has been registered yet.", "Aún no se ha registrado ninguna versión."),
    "models.table.version": ("Version", "Versión"),
    "models.table.aliases": ("Aliases", "Alias"),
    "models.table.stage": ("Stage", "Etapa"),
    "models.table.created": ("Created (UTC)", "Creada (UTC)"),
    "task.classification": ("classification", "clasificación"),
    "task.regression": ("regression", "regresión"),
    "status.serving": ("serving", "en servicio"),
    "status.stale": ("serving, but not the newest champion", "en servicio, pero no el campeón más reciente"),
    "status.not loaded": ("not loaded yet", "aún sin cargar"),
    "status.no champion": ("no model yet", "aún sin modelo"),
}
