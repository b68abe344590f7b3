"""The error that every check of this project raises."""


class ArgumentError(ValueError):
    """An argument that cannot work; the message names it, its value and the remedy.

    The trainers print its message as one line and exit with status 1, as they do for an OSError.
    """
