"""What an export's graph does not show: a file of facts beside it, which servers ignore."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from keras_resnets.errors import ArgumentError, first_line

FILE = "assets.extra/description.json"


def write_description(path: pathlib.Path, facts: Mapping[str, Any]) -> None:
    """Writes facts, by names, into a version's folder."""
    file = path / FILE
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(facts, indent=2) + "\n")


def read_description(path: pathlib.Path) -> dict[str, Any]:
    """Returns the facts in a version's folder; none for an export of an older release, or of another package.

    Raises:
        ArgumentError: if the file is damaged.
    """
    file = path / FILE
    if not file.is_file():
        return {}
    try:
        facts = json.loads(file.read_text())
        if not isinstance(facts, dict):
            raise ValueError(f"it holds a {type(facts).__name__}, not an object")
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"{file} is damaged ({first_line(error)}): export again, or remove it.") from error
    return facts
