"""Texts of the page Monitoring: English, Spanish."""

from collections.abc import Mapping

MONITORING: Mapping[str, tuple[str, str]] = {
    "monitoring.title": ("Monitoring", "Monitoreo"),
    "monitoring.intro": (
        "What the model is asked and answers, whether the data still looks like what it learned from, and how often "
        "it is right.",
        "Lo que se le pregunta al modelo y lo que responde, si los datos aún se parecen a los que aprendió y cuánto "
        "acierta.",
    ),
    "monitoring.model": ("Model", "Modelo"),
    "monitoring.period": ("Period", "Periodo"),
    "monitoring.period.1": ("1 hour", "1 hora"),
    "monitoring.period.24": ("24 hours", "24 horas"),
    "monitoring.period.168": ("7 days", "7 días"),
    "monitoring.as_of": (
        "Version {version} in service · as of {at}, refreshed every {seconds} s.",
        "Versión {version} en servicio · a las {at}, se actualiza cada {seconds} s.",
    ),
    "monitoring.as_of_none": (
        "No version in service yet · as of {at}, refreshed every {seconds} s.",
        "Aún sin versión en servicio · a las {at}, se actualiza cada {seconds} s.",
    ),
    "monitoring.problem": ("Not everything could be found out: {problem}", "No se pudo averiguar todo: {problem}"),
    # Traffic
    "monitoring.traffic": ("Traffic and latency", "Tráfico y latencia"),
    "monitoring.predictions": ("Predictions", "Predicciones"),
    "monitoring.predictions_help": ("Records predicted in the period", "Registros predichos en el periodo"),
    "monitoring.latency": ("{quantile} of requests within", "{quantile} de las peticiones en"),
    "monitoring.half": ("Half", "La mitad"),
    "monitoring.latency_note": (
        "Latency is of {requests} requests since the service started, measured by the service itself.",
        "La latencia es de {requests} peticiones desde que inició el servicio, medida por él mismo.",
    ),
    "monitoring.no_traffic": (
        "Nobody has asked this model in the period. Predictions appear here some seconds after they are made, on the "
        "page **Predict** or over HTTP.",
        "Nadie le ha preguntado a este modelo en el periodo. Las predicciones aparecen aquí segundos después "
        "de hacerse, "
        "en la página **Predecir** o por HTTP.",
    ),
    "monitoring.traffic_chart": (
        "Bars with the predictions per {minutes}; {total} in all.",
        "Barras con las predicciones por cada {minutes}; {total} en total.",
    ),
    "monitoring.minutes": ("{minutes} min", "{minutes} min"),
    # Predictions
    "monitoring.mix": ("What it predicts", "Qué predice"),
    "monitoring.share": ("Share", "Parte"),
    "monitoring.mix_over_time": ("Predicted classes over time", "Clases predichas en el tiempo"),
    "monitoring.mix_compared": ("The period beside the training rows", "El periodo junto a las filas de entrenamiento"),
    "monitoring.training": ("training rows", "filas de entrenamiento"),
    "monitoring.now": ("this period", "este periodo"),
    "monitoring.recent": ("now", "ahora"),
    "monitoring.other_classes": ("others", "otras"),
    "monitoring.mix_chart": (
        "Bars over time with the share of each predicted class; the most frequent is {first}.",
        "Barras en el tiempo con la parte de cada clase predicha; la más frecuente es {first}.",
    ),
    "monitoring.mix_compared_chart": (
        "Share of each class among the training rows and among this period's predictions; the largest difference is "
        "{first}.",
        "Parte de cada clase en las filas de entrenamiento y en las predicciones del periodo; la mayor diferencia es "
        "{first}.",
    ),
    "monitoring.values_over_time": (
        "Median of the predicted values, and the range of the middle 80 %",
        "Mediana de los valores predichos y el rango del 80 % central",
    ),
    "monitoring.values": ("Predicted value", "Valor predicho"),
    "monitoring.values_chart": (
        "Line with the median predicted value over time; the last one is {last}.",
        "Línea con la mediana del valor predicho en el tiempo; la última es {last}.",
    ),
    "monitoring.no_mix": (
        "Appears with the first predictions of the period.",
        "Aparece con las primeras predicciones del periodo.",
    ),
    # Drift
    "monitoring.drift": ("Drift", "Deriva"),
    "monitoring.drift_intro": (
        "How far each feature has moved from the rows the model was trained on, as population stability index (PSI): "
        "below 0.1 is as good as unchanged, {limit} and above counts as drifted.",
        "Cuánto se ha alejado cada variable de las filas con que se entrenó el modelo, como índice de estabilidad "
        "poblacional (PSI): por debajo de 0.1 es casi igual, desde {limit} cuenta como deriva.",
    ),
    "monitoring.drift_of": ("Compared rows", "Filas comparadas"),
    "monitoring.served": ("requests of the period", "peticiones del periodo"),
    "monitoring.collected": ("rows collected since the training", "filas recolectadas desde el entrenamiento"),
    "monitoring.drift_rows": (
        "{rows} rows; {drifted} of {features} features drifted.",
        "{rows} filas; {drifted} de {features} variables con deriva.",
    ),
    "monitoring.drift_few": (
        "Too few rows to tell drift from chance ({rows}), so nothing counts as drifted yet.",
        "Muy pocas filas para distinguir deriva de azar ({rows}), así que aún nada cuenta como deriva.",
    ),
    "monitoring.no_drift.served": (
        "Appears when requests of the period have been logged for a model that knows its training rows.",
        "Aparece cuando se han registrado peticiones del periodo para un modelo que conoce sus filas de entrenamiento.",
    ),
    "monitoring.no_drift.collected": (
        "Appears when rows have been collected after the training of the model in service.",
        "Aparece cuando se han recolectado filas después del entrenamiento del modelo en servicio.",
    ),
    "monitoring.table.feature": ("Feature", "Variable"),
    "monitoring.table.psi": ("PSI", "PSI"),
    "monitoring.table.state": ("State", "Estado"),
    "monitoring.table.missing": ("Missing now", "Sin valor ahora"),
    "monitoring.table.reference_missing": ("Missing in training", "Sin valor al entrenar"),
    "monitoring.state.drifted": ("drifted", "con deriva"),
    "monitoring.state.moved": ("moved a little", "algo movida"),
    "monitoring.state.stable": ("stable", "estable"),
    "monitoring.feature": ("Feature to look into", "Variable a examinar"),
    "monitoring.bins_chart": (
        "Share of rows per value of {name}, among the training rows and now.",
        "Parte de las filas por valor de {name}, en el entrenamiento y ahora.",
    ),
    "monitoring.drift_todo": (
        "**Drifted, what now?** If the values are right, the world has changed: collect on, a training starts "
        "by itself "
        "when enough new rows are there, and only a better model is promoted. If they are wrong, mend the "
        "source or the "
        "client that sends them.",
        "**Hay deriva, ¿y ahora?** Si los valores son correctos, el mundo cambió: sigue recolectando; el entrenamiento "
        "empieza solo cuando hay suficientes filas nuevas y solo se promueve un modelo mejor. Si son erróneos, corrige "
        "la fuente o el cliente que los envía.",
    ),
    # Live
    "monitoring.live": ("How often it is right", "Cuánto acierta"),
    "monitoring.live_regression": ("How far off it is", "Cuánto se equivoca"),
    "monitoring.live_intro": (
        "{metric} on the predictions whose true outcome was told, beside the one measured on held-out rows when the "
        "version was trained.",
        "{metric} en las predicciones cuyo resultado real se informó, junto a la medida en filas reservadas "
        "al entrenar "
        "la versión.",
    ),
    "monitoring.live_none": (
        "Appears when the true outcome of a prediction is told.",
        "Aparece cuando se informa el resultado real de una predicción.",
    ),
    "monitoring.held_out": ("Held out", "Reservadas"),
    "monitoring.told": ("Outcomes told", "Resultados informados"),
    "monitoring.interval": ("95 % interval", "Intervalo del 95 %"),
    "monitoring.version": ("Version {version}", "Versión {version}"),
    "monitoring.table.version": ("Version", "Versión"),
    "monitoring.live_chart": (
        "{metric} of each version on the outcomes told, with its interval; the dashed line is the held-out {held_out}.",
        "{metric} de cada versión en los resultados informados, con su intervalo; la línea punteada es la reservada, "
        "{held_out}.",
    ),
    "monitoring.live_below": (
        "Version {version}: even the better end of the interval is worse than on held-out rows. Look at the "
        "drift above.",
        "Versión {version}: incluso el mejor extremo del intervalo es peor que en las filas reservadas. Mira la deriva "
        "arriba.",
    ),
    "monitoring.feedback": ("Tell the true outcome of a prediction", "Informar el resultado real de una predicción"),
    "monitoring.feedback_how": (
        "Every prediction comes with a `request_id`. Send it back with the outcome once you know it; sending it again "
        "corrects it.",
        "Cada predicción trae un `request_id`. Envíalo con el resultado cuando lo sepas; enviarlo de nuevo lo corrige.",
    ),
    "monitoring.feedback_last": (
        "The id is that of your last prediction here.",
        "El id es el de tu última predicción aquí.",
    ),
    "monitoring.feedback_example": (
        "Replace `REQUEST_ID` by the one of a prediction.",
        "Reemplaza `REQUEST_ID` por el de una predicción.",
    ),
}
