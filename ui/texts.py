"""Every text of the UI by key, in the order of ``ui.i18n.LANGUAGES``: English, Spanish."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    # Around every page
    "app.api": ("Inference API", "API de inferencia"),
    "nav.predict": ("Predict", "Predecir"),
    "nav.models": ("Models", "Modelos"),
    "retry": ("Retry", "Reintentar"),
    "refresh": ("Refresh", "Actualizar"),
    # Predict
    "predict.title": ("Predict", "Predecir"),
    "predict.intro": (
        "Describe one case and the model in production answers.",
        "Describe un caso y responde el modelo en producción.",
    ),
    "predict.model": ("Model", "Modelo"),
    "predict.not_ready": ("{title} (no model yet)", "{title} (aún sin modelo)"),
    "predict.example": ("Fill with an example", "Llenar con un ejemplo"),
    "predict.example_help": ("Values of a real case", "Valores de un caso real"),
    "predict.typical": ("Typical values", "Valores típicos"),
    "predict.typical_help": (
        "Back to the median of each number and the most frequent category",
        "Vuelve a la mediana de cada número y a la categoría más frecuente",
    ),
    "predict.submit": ("Predict", "Predecir"),
    "predict.waiting": ("Asking the model…", "Consultando el modelo…"),
    "predict.optional": ("optional", "opcional"),
    "predict.required": ("Required", "Obligatorio"),
    "predict.choose": ("Choose a value", "Elige un valor"),
    "predict.empty": ("May be left empty", "Puede quedar vacío"),
    "predict.help": ("Allowed: {allowed}.", "Se admite {allowed}."),
    "predict.help_default": ("Typical value: {value}.", "Valor típico: {value}."),
    "predict.help_optional": ("Leave it empty if unknown.", "Déjalo vacío si no se conoce."),
    "predict.no_fields": (
        "This model does not say which values it needs, so there is no form to show.",
        "Este modelo no indica qué valores necesita; no hay formulario que mostrar.",
    ),
    "predict.fix_one": ("One field needs another value:", "Un campo necesita otro valor:"),
    "predict.fix_many": ("{count} fields need another value:", "{count} campos necesitan otro valor:"),
    "predict.rejected": ("The API did not accept these values:", "La API no aceptó estos valores:"),
    # Result
    "result.title": ("Result", "Resultado"),
    "result.title_of": ("Result: {target}", "Resultado: {target}"),
    "result.none": (
        "Fill in the form and press **Predict**: the answer appears here.",
        "Llena el formulario y pulsa **Predecir**: la respuesta aparece aquí.",
    ),
    "result.probabilities": ("Probability of each class", "Probabilidad de cada clase"),
    "result.chart": (
        "Bars with the probability of each class; the most likely is {name}.",
        "Barras con la probabilidad de cada clase; la más probable es {name}.",
    ),
    "result.table.class": ("Class", "Clase"),
    "result.table.probability": ("Probability", "Probabilidad"),
    "result.model": ("Model", "Modelo"),
    "result.model_value": ("{name}, version {version}", "{name}, versión {version}"),
    "result.latency": ("Answered in", "Respondió en"),
    "result.request_id": ("Request id", "Id de la petición"),
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
    # Metrics
    "metric.accuracy": ("Accuracy", "Exactitud"),
    "metric.balanced_accuracy": ("Balanced accuracy", "Exactitud balanceada"),
    "metric.f1_macro": ("F1 (macro)", "F1 (macro)"),
    "metric.precision_macro": ("Precision (macro)", "Precisión (macro)"),
    "metric.recall_macro": ("Recall (macro)", "Exhaustividad (macro)"),
    "metric.rmse": ("RMSE", "RMSE"),
    "metric.mae": ("MAE", "MAE"),
    "metric.r2": ("R²", "R²"),
    # What is allowed in a field
    "allowed.integer": ("a whole number", "un número entero"),
    "allowed.number": ("a number", "un número"),
    "allowed.date": ("a date", "una fecha"),
    "allowed.text": ("a text of up to {longest} characters", "un texto de hasta {longest} caracteres"),
    "allowed.category": ("one of {values}", "uno de estos valores: {values}"),
    "allowed.category_long": ("one of the {count} values of the list", "uno de los {count} valores de la lista"),
    "limits.both": ("from {low} to {high}", "entre {low} y {high}"),
    "limits.low": ("of at least {low}", "desde {low}"),
    "limits.high": ("of at most {high}", "hasta {high}"),
    "invalid.required": (
        "{label}: required field. Allowed: {allowed}.",
        "{label}: campo obligatorio. Se admite {allowed}.",
    ),
    "invalid.negative": (
        "{label}: cannot be negative ({value}). Allowed: {allowed}.",
        "{label}: no puede ser negativo ({value}). Se admite {allowed}.",
    ),
    "invalid.range": (
        "{label}: {value} is out of range. Allowed: {allowed}.",
        "{label}: {value} está fuera de rango. Se admite {allowed}.",
    ),
    "invalid.whole": (
        "{label}: {value} is not a whole number. Allowed: {allowed}.",
        "{label}: {value} no es un número entero. Se admite {allowed}.",
    ),
    "invalid.number": (
        "{label}: {value} is not a number. Allowed: {allowed}.",
        "{label}: {value} no es un número. Se admite {allowed}.",
    ),
    "invalid.category": (
        "{label}: {value} is not on the list. Allowed: {allowed}.",
        "{label}: {value} no está en la lista. Se admite {allowed}.",
    ),
    "invalid.long": (
        "{label}: {value} is too long. Allowed: {allowed}.",
        "{label}: {value} es demasiado largo. Se admite {allowed}.",
    ),
    # The API cannot answer: what happened, and what to do
    "problem.unreachable": (
        "The inference API does not answer at {url}. Start it, or correct INFERENCE_API_URL.",
        "La API de inferencia no responde en {url}. Iníciala o corrige INFERENCE_API_URL.",
    ),
    "problem.timeout": (
        "The inference API took longer than {seconds} s. It may be busy: wait a moment and retry.",
        "La API de inferencia tardó más de {seconds} s. Puede estar ocupada: espera un momento y reintenta.",
    ),
    "problem.no_model": (
        "There is no model to answer yet. It appears when enough batches were collected and a training run "
        "has promoted its model.",
        "Aún no hay un modelo que responda. Aparece cuando se han recolectado suficientes lotes y un entrenamiento "
        "ha promovido su modelo.",
    ),
    "problem.unknown_model": (
        "The API does not know this model. Choose another one, or refresh the list.",
        "La API no conoce este modelo. Elige otro o actualiza la lista.",
    ),
    "problem.invalid": (
        "The API did not accept the request. Correct what it says below and try again.",
        "La API no aceptó la petición. Corrige lo que indica abajo e inténtalo de nuevo.",
    ),
    "problem.busy": (
        "The inference API has too many requests at the moment. Wait a few seconds and retry.",
        "La API de inferencia tiene demasiadas peticiones en este momento. Espera unos segundos y reintenta.",
    ),
    "problem.failed": (
        "The inference API failed while answering (HTTP {status}). Retry; if it goes on, look at its log.",
        "La API de inferencia falló al responder (HTTP {status}). Reintenta; si continúa, revisa su registro.",
    ),
    "problem.unreadable": (
        "What answers at {url} is not the inference API this page needs. Correct INFERENCE_API_URL, "
        "or bring both to the same release.",
        "Lo que responde en {url} no es la API de inferencia que esta página necesita. Corrige INFERENCE_API_URL "
        "o actualiza ambos a la misma versión.",
    ),
    "problem.looks_again": (
        "This page looks again every few seconds.",
        "Esta página vuelve a mirar cada pocos segundos.",
    ),
    "problem.page": (
        "This page met an error of its own, which is in the log of the UI. Retry, or use another page.",
        "Esta página encontró un error propio, que está en el registro de la interfaz. Reintenta o usa otra página.",
    ),
    "problem.settings": ("The settings of this page are wrong.", "La configuración de esta página es incorrecta."),
    "problem.detail": ("The API says: {detail}", "La API dice: {detail}"),
}
