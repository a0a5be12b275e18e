"""Whose fault it is that a prediction could not be stored: the row's, the warehouse's, or not clear from the error."""

from typing import Literal

from pipeline.errors import WarehouseError

Fault = Literal["row", "warehouse", "unclear"]

# MySQL's driver files these under OperationalError, as it does an outage: row too large, packet too large, invalid
# character string, invalid JSON text, JSON too deep, a check constraint, a character the column cannot hold.
ROW_CODES = frozenset({1118, 1153, 1300, 3140, 3141, 3157, 3819, 3988})
# Unreachable, denied, out of connections, memory, disk or time, shutting down, read-only, tables missing or locked.
WAREHOUSE_CODES = frozenset(
    {2002, 2003, 2005, 1040, 1044, 1045, 1049, 1129, 1130, 1142, 1203, 1226, 1227, 1698}
    | {3, 28, 1021, 1037, 1038, 1041, 1053, 1054, 1077, 1079, 1114, 1146, 1205, 1213, 1290, 1317, 1836, 3024}
)


def fault_of(error: BaseException) -> Fault:
    """Whose fault a failed write is.

    A lost connection is unclear: an outage, or a row that is larger than the server takes.
    """
    from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError, StatementError

    cause = error.__cause__ if isinstance(error, WarehouseError) else error
    # A statement error that is none of the driver's is a value that could not be bound.
    unbound = isinstance(cause, StatementError) and not isinstance(cause, DBAPIError)
    if unbound or isinstance(cause, DataError | IntegrityError):
        return "row"
    if isinstance(cause, OperationalError) and cause.orig is not None:
        code = next(iter(cause.orig.args), None)
        if code in ROW_CODES:
            return "row"
        # SQLite gives a text here, and refuses rows by other classes.
        return "unclear" if isinstance(code, int) and code not in WAREHOUSE_CODES else "warehouse"
    # What the warehouse finds by itself, such as an old schema, has no cause.
    return "warehouse" if cause is None or isinstance(cause, SQLAlchemyError | OSError) else "row"
