"""Writes some of the test images of `digits` as PNG files, to try a prediction with.

python -m trainers.data.digit_files /tmp/digits_png
"""

import pathlib
import sys

from PIL import Image

from trainers.data.digits import digit_arrays


def write_digit_files(folder):
    """Writes the first test image of each digit to `folder/DIGIT/0.png`, 32x32 pixels, grayscale."""
    _, images, _, labels = digit_arrays()
    for digit in range(10):
        path = pathlib.Path(folder) / str(digit) / "0.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[labels == digit][0]).save(path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m trainers.data.digit_files FOLDER")
    write_digit_files(sys.argv[1])
