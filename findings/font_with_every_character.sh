#!/usr/bin/env bash
# A program that looks for a font with which it can draw a label.
#
# Guess: among the fonts that matplotlib lists, one whose character map has the Chinese characters of a label can show
#        it; on a machine without Chinese fonts there is none.
# Seen:  matplotlib comes with "Last Resort", whose character map has all of Unicode, and lists it like any
#        other. Its glyph is a symbol of a character's block, the same one for all Chinese characters: a search by
#        character map finds it, and the labels 猫 and 犬 look alike, without a warning.
# With:  matplotlib 3.11.2, Python 3.11, x86-64, a Linux without Chinese fonts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet matplotlib==3.11.2
cat > "$folder/fonts.py" <<'END'
import pathlib

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

for file in sorted({font.fname for font in font_manager.fontManager.ttflist}):
    glyphs = FT2Font(file).get_charmap()
    if {ord("猫"), ord("犬")} <= glyphs.keys():
        same = glyphs[ord("猫")] == glyphs[ord("犬")]
        print(pathlib.Path(file).name, "the same glyph" if same else "two glyphs", len(glyphs))
END
seen=$("$folder/env/bin/python" "$folder/fonts.py")
echo "$seen"
grep -q "LastResort.*the same glyph" <<< "$seen" && echo "as described" || { echo "not as described"; exit 1; }
