"""Texts of the page Data: English, Spanish."""

from collections.abc import Mapping

DATA: Mapping[str, tuple[str, str]] = {
    "data.title": ("Data", "Datos"),
    "data.intro": (
        "What the source has delivered so far, what was stored, and what was refused and why.",
        "Lo que la fuente ha entregado hasta ahora, lo que se guardó y lo que se rechazó y por qué.",
    ),
    "data.use_case": ("Use case", "Caso de uso"),
    "data.no_use_cases": ("No use case collects data here.", "Aquí ningún caso de uso recolecta datos."),
    # Batches
    "data.batches": ("Batches", "Lotes"),
    "data.rows": ("Rows stored", "Filas guardadas"),
    "data.quarantined": ("Rows in quarantine", "Filas en cuarentena"),
    "data.batches_seen": ("Batches received", "Lotes recibidos"),
    "data.batch": ("Batch {number}", "Lote {number}"),
    "data.epoch": (
        "The source has started again {times} times; these are the batches since the last time.",
        "La fuente ha vuelto a empezar {times} veces; estos son los lotes desde la última.",
    ),
    "data.epoch_once": (
        "The source has started again once; these are the batches since then.",
        "La fuente ha vuelto a empezar una vez; estos son los lotes desde entonces.",
    ),
    "data.accepted": ("accepted", "aceptadas"),
    "data.duplicate": ("duplicate", "duplicadas"),
    "data.in_quarantine": ("in quarantine", "en cuarentena"),
    "data.state.next": ("next", "el próximo"),
    "data.state.later": ("to come", "por llegar"),
    "data.state.missed": ("not received", "no recibido"),
    "data.none_yet": (
        "No batch has arrived yet. The first one appears here by itself after the first poll of the source.",
        "Aún no ha llegado ningún lote. El primero aparece aquí solo, después de la primera consulta a la fuente.",
    ),
    "data.numbers": ("Numbers per batch", "Números por lote"),
    "data.numbers_help": (
        "delivered = accepted + duplicate + in quarantine. A duplicate was stored already, by an earlier delivery.",
        "entregadas = aceptadas + duplicadas + en cuarentena. Una duplicada ya estaba guardada por una "
        "entrega anterior.",
    ),
    "data.table.epoch": ("Start of the source", "Inicio de la fuente"),
    "data.table.batch": ("Batch", "Lote"),
    "data.table.deliveries": ("Deliveries", "Entregas"),
    "data.table.delivered": ("Delivered", "Entregadas"),
    "data.table.accepted": ("Accepted", "Aceptadas"),
    "data.table.duplicate": ("Duplicate", "Duplicadas"),
    "data.table.quarantined": ("In quarantine", "En cuarentena"),
    "data.table.last_at": ("Last delivery", "Última entrega"),
    # Polls
    "data.never_polled": ("The source has not been asked yet.", "Aún no se ha consultado la fuente."),
    "data.last_poll": ("Last poll: {at}, {outcome}.", "Última consulta: {at}, {outcome}."),
    "data.outcome.delivered": ("a delivery came", "llegó una entrega"),
    "data.outcome.exhausted": ("nothing more to deliver", "no hay nada más que entregar"),
    "data.outcome.failed": ("it failed", "falló"),
    "data.next_in": ("Next poll in **{left}**.", "Próxima consulta en **{left}**."),
    "data.next_now": ("The next poll is due now.", "La próxima consulta es ahora."),
    "data.overdue": (
        "The next poll has been due since {at}. Airflow starts it: look whether its scheduler runs and whether the DAG "
        "`collect_{name}` is paused.",
        "La próxima consulta debía empezar a las {at}. La inicia Airflow: revisa si su scheduler está en "
        "marcha y si el "
        "DAG `collect_{name}` está en pausa.",
    ),
    "data.failed": (
        "The last poll ({at}) failed: {detail}. It is tried again by itself; if it goes on, look at the log of "
        "`collect_{name}` in Airflow.",
        "La última consulta ({at}) falló: {detail}. Se reintenta sola; si continúa, revisa el registro de "
        "`collect_{name}` en Airflow.",
    ),
    "data.exhausted": (
        "**The source is exhausted**: it has handed out all its batches, and nothing more arrives until it "
        "starts again. "
        "Everything delivered is stored.",
        "**La fuente se agotó**: entregó todos sus lotes y no llega nada más hasta que vuelva a empezar. Todo lo "
        "entregado está guardado.",
    ),
    # Quarantine
    "data.quarantine": ("Quarantine", "Cuarentena"),
    "data.quarantine_none": (
        "Empty: every delivered row followed the rules of the use case.",
        "Vacía: todas las filas entregadas cumplen las reglas del caso de uso.",
    ),
    "data.quarantine_some": (
        "{total} rows were delivered but not stored, because a value breaks the rules of the use case. They are kept "
        "as they came.",
        "{total} filas se entregaron pero no se guardaron, porque un valor no cumple las reglas del caso de uso. Se "
        "conservan como llegaron.",
    ),
    "data.quarantine_newest": ("The newest {shown} of them are listed.", "Se listan las {shown} más recientes."),
    "data.quarantine_todo_title": ("What to do about them", "Qué hacer con ellas"),
    "data.quarantine_todo": (
        "- **Nothing**, if they are a small part: models are trained without them.\n"
        "- **The value is wrong at the source**: tell who publishes it; the table below says batch, row and field. A "
        "corrected row is stored when it is delivered again.\n"
        "- **The value is right and the rule too narrow**: widen it in `use_cases/{name}.yaml` (`minimum`, `maximum`, "
        "`categories` or `nullable` of the field). The rule holds from the next delivery on.",
        "- **Nada**, si son una parte pequeña: los modelos se entrenan sin ellas.\n"
        "- **El valor está mal en la fuente**: avisa a quien la publica; la tabla de abajo indica lote, fila y campo. "
        "Una fila corregida se guarda cuando se entrega de nuevo.\n"
        "- **El valor es correcto y la regla, estrecha**: amplíala en `use_cases/{name}.yaml` (`minimum`, `maximum`, "
        "`categories` o `nullable` del campo). La regla vale desde la próxima entrega.",
    ),
    "data.table.row": ("Row", "Fila"),
    "data.table.field": ("Field", "Campo"),
    "data.table.value": ("Value", "Valor"),
    "data.table.reason": ("Reason", "Motivo"),
    "data.table.rows": ("Rows", "Filas"),
    "data.whole_row": ("whole row", "toda la fila"),
    "data.quarantine_alt": (
        "Rows in quarantine with field, value and reason",
        "Filas en cuarentena con campo, valor y motivo",
    ),
    # Distributions
    "data.distributions": ("Distributions", "Distribuciones"),
    "data.distributions_of": (
        "Of {sampled} of the {rows} rows stored.",
        "De {sampled} de las {rows} filas guardadas.",
    ),
    "data.distributions_of_all": ("Of all {rows} rows stored.", "De todas las {rows} filas guardadas."),
    "data.distributions_none": (
        "Appears with the first stored rows.",
        "Aparece con las primeras filas guardadas.",
    ),
    "data.columns": ("Columns", "Columnas"),
    "data.columns_help": ("Choose those to show", "Elige cuáles mostrar"),
    "data.columns_empty": (
        "Choose a column to see how its values are spread.",
        "Elige una columna para ver su distribución.",
    ),
    "data.target": ("{title} (to predict)", "{title} (a predecir)"),
    "data.share": ("Share of rows", "Parte de las filas"),
    "data.summary": ("from {low} to {high}, median {median}", "de {low} a {high}, mediana {median}"),
    "data.missing": ("{share} missing", "{share} sin valor"),
    "data.chart": (
        "Bars with the share of rows per value of {title}; the most frequent is {first}.",
        "Barras con la parte de las filas por valor de {title}; el más frecuente es {first}.",
    ),
    "data.strip_label": ("Batches of the source in order", "Lotes de la fuente en orden"),
}
