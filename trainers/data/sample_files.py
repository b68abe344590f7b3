"""Test images of the built-in data sets as PNG files, to try a prediction with.

Libraries are imported by the functions: a command reads the names of `WRITERS` before it loads TensorFlow.
"""

import pathlib

SCENES = 8


def write_digits(folder: str | pathlib.Path) -> None:
    """Writes the first test image of each digit to `folder/DIGIT/0.png`, 32x32 pixels, grayscale."""
    from PIL import Image

    from trainers.data.sources.digits import digit_arrays

    _, images, _, labels = digit_arrays()
    for digit in range(10):
        path = pathlib.Path(folder) / str(digit) / "0.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[labels == digit][0]).save(path)


def write_digit_scenes(folder: str | pathlib.Path) -> None:
    """Writes the first eight test scenes to `folder/0.png`, `folder/1.png`, ..., 256x256 pixels."""
    from PIL import Image

    from trainers.data.sources.digit_scenes import open_digit_scenes

    folder = pathlib.Path(folder)
    split = open_digit_scenes().test
    images = split.keys(None).take(SCENES).map(lambda key: split.load(key)["image"].pixels())
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images.as_numpy_iterator()):
        Image.fromarray(image).save(folder / f"{i}.png")


WRITERS = {"digits": write_digits, "digit_scenes": write_digit_scenes}
