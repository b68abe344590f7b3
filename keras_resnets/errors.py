"""The error that every check of this project raises, and what several checks share."""

from collections.abc import Sequence
from typing import Any


class ArgumentError(ValueError):
    """An argument that cannot work. The message names it, its value and the remedy.

    Commands print the message as one line and exit with status 1, as they do for an OSError.
    """


def check_choice(argument: str, value: Any, choices: Sequence[Any]) -> None:
    """Raises ArgumentError if an argument's value is not among the choices."""
    if value not in choices:
        raise ArgumentError(f"{argument}={value!r} is unknown: use one of {', '.join(map(repr, choices))}.")


def first_line(error: BaseException) -> str:
    """Returns the first line of another library's message, or the error's class if there is no message."""
    return (str(error).strip("'\" \n") or type(error).__name__).split("\n")[0]
