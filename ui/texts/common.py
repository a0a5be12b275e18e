"""Texts around every page, of metrics, and of problems: English, Spanish."""

from collections.abc import Mapping

COMMON: Mapping[str, tuple[str, str]] = {
    # Around every page
    "app.api": ("Inference API", "API de inferencia"),
    "nav.predict": ("Predict", "Predecir"),
    "nav.batch": ("Batch", "Por lotes"),
    "nav.models": ("Models", "Modelos"),
    "nav.data": ("Data", "Datos"),
    "nav.monitoring": ("Monitoring", "Monitoreo"),
    "links.title": ("Open in", "Abrir en"),
    "links.grafana_help": (
        "Runs with `docker compose --profile monitoring up`",
        "Funciona con `docker compose --profile monitoring up`",
    ),
    "retry": ("Retry", "Reintentar"),
    "refresh": ("Refresh", "Actualizar"),
    # Bins of a histogram, as the API calls them
    "bin.other": ("other", "otros"),
    "bin.missing": ("missing", "sin valor"),
    # Metrics
    "metric.accuracy": ("Accuracy", "Exactitud"),
    "metric.balanced_accuracy": ("Balanced accuracy", "Exactitud balanceada"),
    "metric.f1_macro": ("F1 (macro)", "F1 (macro)"),
    "metric.precision_macro": ("Precision (macro)", "Precisión (macro)"),
    "metric.recall_macro": ("Recall (macro)", "Exhaustividad (macro)"),
    "metric.rmse": ("RMSE", "RMSE"),
    "metric.mae": ("MAE", "MAE"),
    "metric.r2": ("R²", "R²"),
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
    "problem.no_warehouse": (
        "The warehouse, which holds what was collected and predicted, does not answer, so this cannot be shown now. "
        "Predictions go on without it. Look at its container (MySQL); it comes back by itself.",
        "El almacén de datos, donde está lo recolectado y lo predicho, no responde; por ahora esto no se "
        "puede mostrar. "
        "Las predicciones siguen sin él. Revisa su contenedor (MySQL); vuelve solo.",
    ),
    "problem.unknown_model": (
        "The API does not know this model. Choose another one, or refresh the list.",
        "La API no conoce este modelo. Elige otro o actualiza la lista.",
    ),
    "problem.invalid": (
        "The API did not accept the request. Correct what it says below and try again.",
        "La API no aceptó la petición. Corrige lo que indica abajo e inténtalo de nuevo.",
    ),
    "problem.unauthorised": (
        "The API key is wrong. Enter the value of the setting API_KEY of the inference API.",
        "La clave de la API es incorrecta. Escribe el valor de la configuración API_KEY de la API de inferencia.",
    ),
    "problem.refused": (
        "The API could not do this, and nothing was changed.",
        "La API no pudo hacerlo y nada cambió.",
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
