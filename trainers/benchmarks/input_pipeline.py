"""The benchmark of input pipelines: files of JPEG images, decoded and augmented, beside torchvision's."""

import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from trainers.benchmarks.settings import Settings
from trainers.benchmarks.turns import OURS, compare, lacks, pytorch, tensorflow
from trainers.data.registry import open_dataset
from trainers.tasks.classification import Classification, configure
from trainers.tasks.configuration import Choices

FILES, HEIGHT, WIDTH, QUALITY = 200, 375, 500, 90  # images of the size of most of ImageNet's
SIDE, BATCH_SIZE = 224, 64
BATCHES = 15  # of a step
GRAIN = 12.0  # standard deviation of the noise, with which a file has about 60 kB
# The recipe of each row, and its changes. Both pipelines make the same augmentation.
ROWS = {
    "imagenet": ("imagenet", {}),
    "random_resized_crop": ("imagenet", {"augmentation": "random_resized_crop"}),
    "imagenet_modern": ("imagenet_modern", {}),
}
# Decoders of the peer: Pillow, which its data sets take by default, and its own with transforms of tensors.
DECODERS = {"torchvision, Pillow": "pillow", "torchvision, tensors": "tensors"}


def input_pipeline(settings: Settings) -> dict:
    """Images/s of decoding and augmenting JPEGs of 500x375 in batches of 64, beside torchvision with two workers.

    Both make batches of uint8, 1 byte a value, and normalize nothing: nets do that on the device.
    """
    missing = lacks(settings.peer_python, "torch", "torchvision")
    with tempfile.TemporaryDirectory() as folder:
        write_jpegs(pathlib.Path(folder))
        contenders = []
        for row in settings.rows:
            contenders.append(tensorflow(row, None, OURS, pipeline_contender, folder, row))
            for name, decoder in DECODERS.items() if missing is None else ():
                script = "pytorch_input_pipeline", folder, row, decoder, SIDE, BATCH_SIZE, BATCHES
                contenders.append(pytorch(row, None, name, settings.peer_python, *script))
        left_out = {} if missing is None else {"torchvision": missing}
        return {**left_out, **compare(contenders, settings.repeats)}


def write_jpegs(folder: pathlib.Path, files: int = FILES) -> None:
    """Writes a data set of two classes, of smooth random colors with noise."""
    random = np.random.default_rng(0)
    for split, count in (("train", files), ("val", 2)):
        for i in range(count):
            path = folder / split / str(i % 2) / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = Image.fromarray(random.integers(0, 256, (9, 12, 3), np.uint8))
            pixels = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float32)
            noise = random.normal(0, GRAIN, (HEIGHT, WIDTH, 1))
            Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(path, quality=QUALITY)


def pipeline_contender(folder: str, row: str) -> tuple[Callable[[], Any], dict[str, float]]:
    """Returns the function that draws batches as training does, and its facts: see `compare`.

    The pipeline begins and ends with a step: it makes no batches while others are measured.
    """
    recipe, changes = ROWS[row]
    dataset = open_dataset(f"folder:{folder}")
    choices = Choices(f"folder:{folder}", dataset, recipe, {"steps": 100, "batch_size": BATCH_SIZE, **changes})
    task = Classification(configure(choices, "resnet50", image_size=SIDE), dataset)
    batches = task.training_batches(0, tf.distribute.InputContext()).take(BATCHES)

    def step():
        for _ in batches:
            pass

    return step, {"units": BATCHES * BATCH_SIZE}
