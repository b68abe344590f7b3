"""Fonts for labels that the usual ones cannot show."""

import string

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from trainers.plots.fonts import font_file

PROGRAM = """
import os, sys
os.environ["XDG_DATA_HOME"] = sys.argv[1]  # where a user's own fonts are
import numpy as np
from trainers.plots import drawing, figures
import pathlib
white = np.full((60, 90, 3), 255, np.uint8)
labels = sys.argv[2:4]
picture = drawing.draw_detections(white, np.float32([[10, 30, 80, 50]]), [0], labels, [0.9])
figures.confusion_matrix(np.eye(2, dtype=int), labels, labels[0], pathlib.Path(sys.argv[1]) / "matrix.png")
print(int(np.sum(np.all(picture == 0, axis=-1))))
"""


def save_font(path, character):
    """A font whose characters are empty, but for one, which is a filled square."""
    builder, empty, square = FontBuilder(1000), TTGlyphPen(None), TTGlyphPen(None)
    square.moveTo((0, 0))
    for corner in ((0, 800), (800, 800), (800, 0)):
        square.lineTo(corner)
    square.closePath()
    names = [".notdef", *(f"c{ord(one)}" for one in string.printable), "square"]
    builder.setupGlyphOrder(names)
    numbers = {ord(one): f"c{ord(one)}" for one in string.printable}
    builder.setupCharacterMap({**numbers, ord(character): "square"})
    glyph = empty.glyph()
    builder.setupGlyf({**dict.fromkeys(names, glyph), "square": square.glyph()})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (900, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    path.parent.mkdir(parents=True)
    builder.save(path)


def test_a_label_has_a_font_with_its_characters_and_without_one_this_is_said_once(tmp_path, in_new_process):
    there, missing = chr(0x10FFF0), chr(0x10FFF1)  # which fonts of this machine do not have
    save_font(tmp_path / "fonts" / "squares.ttf", there)
    process = in_new_process(PROGRAM, [tmp_path, 3 * there, 2 * missing])
    assert process.returncode == 0, process.stderr
    assert int(process.stdout) >= 3 * 8 * 8  # The letters are black squares on the color of the class.
    lines = [line for line in process.stderr.splitlines() if "font" in line or "Glyph" in line]
    assert lines == [
        f"no font of this machine has the characters {missing} of the labels, which pictures show as boxes: "
        "install one, for example the package fonts-noto-cjk"
    ]


def test_the_usual_fonts_are_enough_for_many_scripts():
    assert font_file("cat 90%") is None
    assert all(font_file(text).endswith("DejaVuSans.ttf") for text in ("größer", "кошка", "γάτα"))
