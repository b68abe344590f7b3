"""Figures in print: as lines of JSON, and as rows of Markdown tables."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Figures = Mapping[str, Any]  # numbers, texts, and groups of more figures


def groups(name: str, figures: Figures) -> Iterator[tuple[str, dict]]:
    """Yields the name and the figures of a group, without the groups in it, and then those groups."""
    own = {key: value for key, value in figures.items() if not isinstance(value, dict)}
    if own:
        yield name, own
    for key, value in figures.items():
        if isinstance(value, dict):
            yield from groups(f"{name} {key}", value)


def json_lines(name: str, figures: Figures) -> Iterator[str]:
    """Yields a line of JSON for each group of figures, with the group's name as `benchmark`."""
    for group, values in groups(name, figures):
        yield json.dumps({"benchmark": group, **values})


def rows(name: str, figures: Figures) -> Iterator[str]:
    """Yields a row of Markdown for each group of figures, below a header where their names change."""
    header = None
    for group, values in groups(name, figures):
        if header != [*values]:
            if header is not None:
                yield ""
            header = [*values]
            yield f"| {' | '.join(['', *header])} |"
            yield "|---" * (1 + len(header)) + "|"
        yield f"| {' | '.join([group, *map(_text, values.values())])} |"


def _text(value):
    return f"{value:.3g}" if isinstance(value, float) else str(value)
