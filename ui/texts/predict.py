"""Texts of the page Predict and of its form: English, Spanish."""

from collections.abc import Mapping

PREDICT: Mapping[str, tuple[str, str]] = {
    # Predict
    "predict.title": ("Predict", "Predecir"),
    "predict.intro": (
        "Describe one case; the model answers, says why, and what it would say of other cases.",
        "Describe un caso; el modelo responde, dice por qué y qué diría de otros casos.",
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
    # Which version
    "choice.version": ("Version", "Versión"),
    "choice.version_help": (
        "The champion is the version in production. Another one can be tried here without changing that.",
        "El campeón es la versión en producción. Aquí se puede probar otra sin cambiar eso.",
    ),
    "choice.champion": ("Champion (version {version})", "Campeón (versión {version})"),
    "choice.number": ("Version {version}", "Versión {version}"),
    # Why the model says so
    "why.title": ("What pushed the prediction", "Qué impulsó la predicción"),
    "why.probability": ("probability of {name}", "probabilidad de {name}"),
    "why.prediction": ("predicted {target}", "predicción de {target}"),
    "why.reference.typical record": (
        "a typical case (the median of each number, the most frequent category)",
        "un caso típico (la mediana de cada número, la categoría más frecuente)",
    ),
    "why.intro": (
        "The {output} is **{base}** for {reference} and **{value}** for this one. Each bar is what one value of this "
        "case added to it or took from it; together they make the difference.",
        "La {output} es **{base}** para {reference} y **{value}** para este. Cada barra es lo que un valor de "
        "este caso le sumó o le restó; juntas forman la diferencia.",
    ),
    "why.typical": (
        "This case is what it would be compared with, {reference}, so nothing pushed the prediction: the {output} is "
        "**{value}**. Change a value and predict again to see what it does.",
        "Este caso es con lo que se compararía, {reference}, así que nada impulsó la predicción: la {output} es "
        "**{value}**. Cambia un valor y predice de nuevo para ver su efecto.",
    ),
    "why.others": ("{count} others together", "otros {count} en conjunto"),
    "why.empty": ("empty", "vacío"),
    "why.raises": ("raises it", "la sube"),
    "why.lowers": ("lowers it", "la baja"),
    "why.points": ("percentage points", "puntos porcentuales"),
    "why.chart": ("Bars, the longest first. {bars}.", "Barras, la más larga primero. {bars}."),
    # What the model would say
    "what_if.title": ("What if…", "¿Y si…?"),
    "what_if.feature": ("…this were different", "…esto fuera distinto"),
    "what_if.class": ("Probability of", "Probabilidad de"),
    "what_if.intro": (
        "Every other value stays as in this case, and {feature} takes each of its values.",
        "Los demás valores quedan como en este caso y {feature} toma cada uno de los suyos.",
    ),
    "what_if.now": ("this case", "este caso"),
    "what_if.other": ("other values", "otros valores"),
    "what_if.chart": (
        "{output} by {feature}: lowest {low} at {low_at}, highest {high} at {high_at}. {now}",
        "{output} según {feature}: mínimo {low} en {low_at}, máximo {high} en {high_at}. {now}",
    ),
    "what_if.chart_now": ("This case: {value} at {at}.", "Este caso: {value} en {at}."),
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
    "invalid.date": (
        "{label}: {value} is not a date written YYYY-MM-DD. Allowed: {allowed}.",
        "{label}: {value} no es una fecha escrita AAAA-MM-DD. Se admite {allowed}.",
    ),
    "invalid.long": (
        "{label}: {value} is too long. Allowed: {allowed}.",
        "{label}: {value} es demasiado largo. Se admite {allowed}.",
    ),
}
