"""The error that every check of this project raises, and what several checks share."""

import os
import pathlib
import re
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


def check_folder(argument: str, path: str | os.PathLike[str]) -> None:
    """Raises ArgumentError if a path cannot become a folder, since it or a part of it is a file."""
    existing = next((one for one in (pathlib.Path(path), *pathlib.Path(path).parents) if one.exists()), None)
    if existing is not None and not existing.is_dir():
        raise ArgumentError(f"{argument}={path}: {existing} is a file: choose another folder.")


def first_line(error: BaseException | str) -> str:
    """Returns the first line of another library's message, or the error's class if there is no message."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # colors of a terminal
    return (text.strip("'\" \n") or type(error).__name__).split("\n")[0]
