"""Files that labelling tools and converters wrote, with the versions in the names of `references/tool_exports.json`.

Each wrote the same four images of 64 x 48 pixels, the fourth without objects.
"""

import json
import pathlib

import numpy as np
import pytest
from annotated_images import load
from PIL import Image

from trainers.data.registry import open_detection_dataset

EXPORTS = json.loads((pathlib.Path(__file__).parent / "references" / "tool_exports.json").read_text())
LABELS = ("cat", "dog")
OBJECTS = {
    "a.jpg": [("cat", [0, 0, 10, 12]), ("dog", [10, 8, 40, 36])],
    "b.png": [("dog", [50, 30, 64, 48]), ("cat", [5.5, 6.25, 20.75, 30.5])],
    "c.jpg": [("cat", [20, 20, 21, 22])],
    "e.jpg": [],
}
SHADES = {name: 50 * position for position, name in enumerate(OBJECTS)}  # tell the images apart
# Tools that write whole pixels: the second object of b.png is moved by less than one.
ROUNDING = {"supervision 0.31, voc": 0.5, "pylabel 0.1, voc": 0.75, "label-studio-sdk 2.1, voc": 0.75}
# The archives of datumaro have two splits. Other tools leave it to the user where the images are.
IMAGE_FOLDERS = {
    "datumaro 1.13, voc": ("JPEGImages", "JPEGImages"),
    "datumaro 1.13, coco": ("images/train", "images/val"),
    "datumaro 1.13, yolo": ("obj_train_data", "obj_val_data"),
    "datumaro ultralytics 1.13, yolo": ("images/train", "images/val"),
}
BESIDE = ("globox 2.9, voc", "pascal-voc-writer 0.1, voc", "pylabel 0.1, voc", "globox 2.9, coco")


def write(root, name):
    for path, text in EXPORTS[name]["files"].items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    folders = IMAGE_FOLDERS.get(name, (".", ".") if name in BESIDE else ("images", "images"))
    for image, shade in SHADES.items():
        folder = root / folders[image in ("c.jpg", "e.jpg")]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 48), (shade,) * 3).save(folder / image)


def objects(dataset):
    """Returns the objects of all images, {file name: [(label, box)]}."""
    found = {}
    for split in (dataset.train, dataset.test):
        shades = split.keys(None).map(lambda key, split=split: split.load(key)["image"].pixels()[0, 0, 0])
        for shade, example in zip(shades.as_numpy_iterator(), load(split), strict=True):
            name = min(SHADES, key=lambda name: abs(SHADES[name] - int(shade)))
            labels = [dataset.labels[index] for index in example["classes"]]
            found[name] = list(zip(labels, example["boxes"].tolist(), strict=True))
    return found


@pytest.mark.parametrize("name", EXPORTS)
def test_boxes_are_those_that_were_drawn(name, tmp_path):
    write(tmp_path, name)
    dataset = open_detection_dataset(f"{EXPORTS[name]['kind']}:{tmp_path}", strict=True)
    assert dataset.labels == LABELS
    found = objects(dataset)
    if name != "label-studio-sdk 2.1, voc":  # It writes no file for an image without objects, and no list of images.
        assert found["e.jpg"] == []
    for image, expected in OBJECTS.items():
        labels, boxes = zip(*found.get(image, ())) if expected else ((), ())
        assert labels == tuple(label for label, _ in expected)
        for box, (_, truth) in zip(boxes, expected, strict=True):
            whole = np.array_equal(truth, np.round(truth))
            np.testing.assert_allclose(box, truth, atol=1e-3 if whole else ROUNDING.get(name, 1e-3))
