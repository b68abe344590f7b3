"""Writes test images of the built-in data sets as PNG files, to try a prediction with."""

import pathlib

from PIL import Image

from trainers.data.registry import open_dataset, open_detection_dataset

SCENES = 8


def write_digits(folder: str | pathlib.Path) -> None:
    """Writes the first test image of each digit to `folder/DIGIT/0.png`, 32x32 pixels, grayscale."""
    split, first = open_dataset("digits").test, {}
    for key in split.keys(None).as_numpy_iterator():
        example = split.load(key)
        first.setdefault(int(example["label"]), example["image"])
    for digit, image in first.items():
        path = pathlib.Path(folder) / str(digit) / "0.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.pixels().numpy()[..., 0]).save(path)


def write_digit_scenes(folder: str | pathlib.Path) -> None:
    """Writes the first eight test scenes to `folder/0.png`, `folder/1.png`, ..., 256x256 pixels."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    split = open_detection_dataset("digit_scenes").test
    for i, key in enumerate(split.keys(None).take(SCENES)):
        Image.fromarray(split.load(key)["image"].pixels().numpy()).save(folder / f"{i}.png")


WRITERS = {"digits": write_digits, "digit_scenes": write_digit_scenes}
