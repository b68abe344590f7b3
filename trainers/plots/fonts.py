"""Fonts for labels with characters that the usual fonts lack, such as Chinese, Japanese and Korean ones."""

from __future__ import annotations

import functools
import logging
import pathlib
import sys
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INVISIBLE = ("Cc", "Cf")  # categories of control characters
LAST_RESORT = "LastResort"  # begins the names of fonts that show which script a character is of, instead of it
USUAL = "DejaVu Sans"  # comes with matplotlib
_said: list[str] = []


def font_file(text: str) -> str | None:
    """Returns the path of a font that has the characters of a text, or None for a text in ASCII.

    If no font has all of them, this is said on stderr, once, and it is the usual font of plots.
    """
    if text.isascii():
        return None
    usual, *others = _files()
    wanted = {ord(one) for one in text if not one.isspace() and unicodedata.category(one) not in INVISIBLE}
    for file in (usual, *others):
        if wanted <= _characters(file):
            return file
    rest = "".join(sorted(map(chr, wanted - _characters(usual))))
    _say_once(rest[:10])
    return usual


def choose_fonts(figure: Figure) -> None:
    """Gives the texts of a figure a further font, for the characters that their own lacks."""
    from matplotlib import text

    for one in figure.findobj(text.Text):
        file = font_file(one.get_text())
        if file is not None:
            one.set_fontfamily([*one.get_fontfamily(), _family(file)])


@functools.cache
def _family(file):
    """Returns the name of a font for matplotlib, which may have been installed after it has looked for fonts."""
    from matplotlib import font_manager

    font_manager.fontManager.addfont(file)
    logging.getLogger(font_manager.__name__).setLevel(logging.ERROR)  # It would say that the weight is another.
    return font_manager.FontProperties(fname=file).get_name()


@functools.cache
def _files():
    """Returns the paths of all fonts of this machine, the usual one of plots first."""
    from matplotlib import font_manager

    usual = font_manager.findfont(USUAL)
    found = {*font_manager.findSystemFonts(), *(font.fname for font in font_manager.fontManager.ttflist)}
    names = {file: pathlib.Path(file).name for file in found - {usual}}
    others = sorted(names, key=lambda file: ("Regular" not in names[file], names[file]))  # not the bold one first
    return [usual, *(file for file in others if not names[file].startswith(LAST_RESORT))]


@functools.cache
def _characters(file):
    """Returns the numbers of a font's characters; none of a font that cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(file).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()


def _say_once(characters):
    if not _said:
        _said.append(characters)
        print(
            f"no font of this machine has the characters {characters} of the labels, which pictures show as boxes: "
            "install one, for example the package fonts-noto-cjk",
            file=sys.stderr,
        )
