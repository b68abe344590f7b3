#!/usr/bin/env bash
# datumaro (on which CVAT's exports rest) and the pixels and empty images of PASCAL VOC.
#
# Guess: read from VOC's own files and written as COCO, a box of the image's first 10 x 12 pixels (xmin=1 ymin=1 xmax=10
#        ymax=12: VOC counts from 1, and the last pixel is part of a box) is bbox=[0, 0, 10, 12]. Written as VOC, an image
#        without objects has an annotation file without objects, as in VOC2007.
# Seen:  bbox=[1, 1, 9, 11]: by default, numbers are taken as they are, so that every box of VOC2007 or VOC2012 loses its
#        first column and row, and a box of one pixel its whole area. coordinate_mode="voc-one-based" mends that, in import
#        and export. Written as VOC, the image without objects is listed in ImageSets/Main, and has no annotation file.
# With:  datumaro 1.13.12, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet datumaro==1.13.12
cat > "$folder/convert.py" <<'END'
import json
import pathlib
import re
import sys

import numpy as np
from datumaro import Dataset, DatasetItem
from datumaro.components.media import Image as Media
from PIL import Image

root = pathlib.Path(sys.argv[1])
year = root / "VOC2007"
for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
    (year / folder).mkdir(parents=True)
Image.fromarray(np.zeros((48, 64, 3), "uint8")).save(year / "JPEGImages" / "000001.jpg")
(year / "ImageSets" / "Main" / "trainval.txt").write_text("000001\n")
(year / "Annotations" / "000001.xml").write_text(
    "<annotation><filename>000001.jpg</filename><size><width>64</width><height>48</height><depth>3</depth></size>"
    "<object><name>dog</name><difficult>0</difficult><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>10</xmax>"
    "<ymax>12</ymax></bndbox></object></annotation>"
)
for mode in ({}, {"coordinate_mode": "voc-one-based"}):
    name = mode.get("coordinate_mode", "default")
    data = Dataset.import_from(str(year), "voc_detection", **mode)
    data.put(DatasetItem("empty", subset="trainval", media=Media.from_numpy(np.zeros((48, 64, 3), "uint8"))))
    data.export(str(root / f"coco {name}"), "coco_instances", save_media=True)
    data.export(str(root / f"voc {name}"), "voc_detection", save_media=True, **mode)
    content = json.loads((root / f"coco {name}" / "annotations" / "instances_trainval.json").read_text())
    written = (root / f"voc {name}" / "Annotations" / "000001.xml").read_text()
    print(f"{name}: COCO {content['annotations'][0]['bbox']}, VOC {re.findall('<[xy]m..>([0-9]+)', written)}")
    listed = (root / f"voc {name}" / "ImageSets" / "Main" / "trainval.txt").read_text().split()
    files = sorted(path.name for path in (root / f"voc {name}" / "Annotations").iterdir())
    print(f"{name}: listed {listed}, annotation files {files}")
END
seen=$("$folder/env/bin/python" "$folder/convert.py" "$folder" 2> /dev/null)
echo "$seen"
diff <(echo "$seen") - <<'END'
default: COCO [1.0, 1.0, 9.0, 11.0], VOC ['1', '1', '10', '12']
default: listed ['000001', 'empty'], annotation files ['000001.xml']
voc-one-based: COCO [0.0, 0.0, 10.0, 12.0], VOC ['1', '1', '10', '12']
voc-one-based: listed ['000001', 'empty'], annotation files ['000001.xml']
END
