"""JSON that is on its way to the warehouse as text."""


class EncodedJson(str):
    """A value of a JSON column that is encoded already, without NaN and in valid Unicode.

    In a module of its own: the inference API is ready before it has imported what the warehouse needs.
    """

    __slots__ = ()
