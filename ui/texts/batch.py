"""Texts of the page Batch: English, Spanish."""

from collections.abc import Mapping

BATCH: Mapping[str, tuple[str, str]] = {
    "batch.title": ("Batch", "Por lotes"),
    "batch.intro": (
        "Drop a CSV file with many cases; download it with the model's answer to each.",
        "Suelta un archivo CSV con muchos casos y descárgalo con la respuesta del modelo para cada uno.",
    ),
    "batch.file": ("CSV file", "Archivo CSV"),
    "batch.file_help": (
        "The first row names the columns. Separator: comma, semicolon, tab or |. Encoding: UTF-8. At most {most} MB.",
        "La primera fila nombra las columnas. Separador: coma, punto y coma, tabulador o |. Codificación: UTF-8. "
        "Hasta {most} MB.",
    ),
    "batch.template": ("Download a template", "Descargar una plantilla"),
    "batch.template_help": (
        "A CSV with the right columns and one example",
        "Un CSV con las columnas correctas y un ejemplo",
    ),
    "batch.columns_needed": ("Columns and what they may hold", "Columnas y qué admiten"),
    "batch.column": ("Column", "Columna"),
    "batch.allowed": ("Allowed", "Se admite"),
    "batch.optional": ("{allowed}, or empty", "{allowed}, o vacío"),
    # What is wrong with the file
    "batch.empty": (
        "The file is empty. Fill in the template, or export your table again.",
        "El archivo está vacío. Llena la plantilla o exporta tu tabla de nuevo.",
    ),
    "batch.too_large": (
        "The file has {megabytes} MB; at most {most} MB are read at once. Split it into several files.",
        "El archivo tiene {megabytes} MB; se leen hasta {most} MB a la vez. Divídelo en varios archivos.",
    ),
    "batch.encoding": (
        "The file is not text in UTF-8. In Excel choose *Save as → CSV UTF-8*; in LibreOffice *Unicode (UTF-8)*.",
        "El archivo no es texto UTF-8. En Excel elige *Guardar como → CSV UTF-8*; en LibreOffice *Unicode (UTF-8)*.",
    ),
    "batch.no_header": (
        "The first row names no column of this model. It must hold these names: {names}.",
        "La primera fila no nombra ninguna columna de este modelo. Debe tener estos nombres: {names}.",
    ),
    "batch.columns": ("Columns of the file need another name:", "Columnas del archivo necesitan otro nombre:"),
    "batch.rename": ("rename `{found}` to `{name}`", "cambia `{found}` por `{name}`"),
    "batch.missing": ("there is no column `{name}`: add it", "no hay columna `{name}`: agrégala"),
    "batch.duplicate": (
        "The column {name} is in the file twice. Remove one of them.",
        "La columna {name} está dos veces en el archivo. Quita una.",
    ),
    "batch.no_rows": (
        "The file has a header and no rows. Add a row for each case.",
        "El archivo tiene encabezado y ninguna fila. Agrega una fila por caso.",
    ),
    "batch.broken": (
        "Row {row} cannot be read: probably a quotation mark is never closed. Correct it and drop the file again.",
        "La fila {row} no se puede leer: quizá unas comillas no se cierran. Corrígela y suelta el archivo de nuevo.",
    ),
    "batch.cells": (
        "The row has {found} cells, the header has {expected}.",
        "La fila tiene {found} celdas, el encabezado tiene {expected}.",
    ),
    # Checking
    "batch.extra": (
        "Not used by the model, and passed through: {names}.",
        "No las usa el modelo y pasan sin cambios: {names}.",
    ),
    "batch.commas": (
        "The commas in these columns were read as decimal commas (46,5 is 46.5): {names}.",
        "Las comas de estas columnas se leyeron como comas decimales: {names}.",
    ),
    "batch.left_out": (
        "Not in the file, and taken as empty: {names}.",
        "No están en el archivo y cuentan como vacías: {names}.",
    ),
    "batch.checking": ("Checking the rows… {rows}", "Revisando las filas… {rows}"),
    "batch.all_valid": ("All {rows} rows can be predicted.", "Las {rows} filas se pueden predecir."),
    "batch.all_valid_one": ("The row can be predicted.", "La fila se puede predecir."),
    "batch.some_valid": (
        "{valid} of {rows} rows can be predicted; {invalid} cannot, and are listed below with the reason.",
        "{valid} de {rows} filas se pueden predecir; {invalid} no, y están abajo con el motivo.",
    ),
    "batch.none_valid": (
        "None of the {rows} rows can be predicted. The reasons are below.",
        "Ninguna de las {rows} filas se puede predecir. Los motivos están abajo.",
    ),
    "batch.none_valid_one": (
        "The only row cannot be predicted. The reason is below.",
        "La única fila no se puede predecir. El motivo está abajo.",
    ),
    "batch.problems": ("Rows that cannot be predicted", "Filas que no se pueden predecir"),
    "batch.refused": ("Rows that the API did not accept", "Filas que la API no aceptó"),
    "batch.row": ("Row (1 is the header)", "Fila (1 es el encabezado)"),
    "batch.reason": ("Reason", "Motivo"),
    "batch.first_problems": ("The first {shown} of {count} problems.", "Los primeros {shown} de {count} problemas."),
    "batch.download_problems": ("Download the list", "Descargar la lista"),
    # Predicting
    "batch.predict": ("Predict {rows} rows", "Predecir {rows} filas"),
    "batch.predict_one": ("Predict 1 row", "Predecir 1 fila"),
    "batch.predicting": ("Predicting… {written} of {rows} rows", "Prediciendo… {written} de {rows} filas"),
    "batch.cancel": ("Cancel", "Cancelar"),
    "batch.cancelled": (
        "Cancelled after {written} rows. What was predicted can be downloaded.",
        "Cancelado tras {written} filas. Lo predicho se puede descargar.",
    ),
    "batch.stopped": (
        "It stopped after {written} rows. What was predicted can be downloaded.",
        "Se detuvo tras {written} filas. Lo predicho se puede descargar.",
    ),
    "batch.done": (
        "{predicted} rows predicted by version {version}.",
        "{predicted} filas predichas por la versión {version}.",
    ),
    "batch.done_one": ("1 row predicted by version {version}.", "1 fila predicha por la versión {version}."),
    "batch.download": ("Download the predictions", "Descargar las predicciones"),
    "batch.again": ("Predict again", "Predecir de nuevo"),
    "batch.preview": ("The first {count} rows", "Las primeras {count} filas"),
    "batch.preview_one": ("The row", "La fila"),
    "batch.mix": ("Predicted classes", "Clases predichas"),
    "batch.mix_chart": ("Bars with the number of rows per class: {bars}.", "Barras con las filas por clase: {bars}."),
    "batch.rows_axis": ("rows", "filas"),
    "batch.lowest": ("Lowest", "Mínimo"),
    "batch.median": ("Median", "Mediana"),
    "batch.highest": ("Highest", "Máximo"),
}
