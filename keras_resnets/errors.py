"""The error that every check of this project raises."""


class ArgumentError(ValueError):
    """An argument that cannot work; the message names it, its value and the remedy.

    The trainers print its message as one line and exit with status 1, as they do for an OSError.
    """


def first_line(error):
    """Returns the first line of another library's message, or its class where there is none."""
    return (str(error).strip("'\" \n") or type(error).__name__).split("\n")[0]
