"""Two epochs on small data sets in the formats of large ones, on one machine and on two."""

import json
import math

import numpy as np
import pytest
import tensorflow_datasets as tfds
from photos import photos, save_photos
from processes import finish, saved_variables, start, start_machines

BATCH = 32
TRAIN, TEST = 256, 101  # A prime number: an error in 101ths is that of 101 images.


def store(name, data_dir, examples, splits):
    """Writes files that TensorFlow Datasets takes for those of one of its data sets."""
    builder = tfds.builder(name, data_dir=data_dir)
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version=str(builder.version),
        features=builder.info.features,
        split_datasets={
            split: list(enumerate(examples(count, seed))) for seed, (split, count) in enumerate(splits.items())
        },
        data_dir=data_dir,
        download_config=tfds.download.DownloadConfig(num_shards=3),
    )


def cifar10(folder):
    def examples(count, seed):
        images = np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)
        return [{"id": f"{i}", "image": image, "label": i % 10} for i, image in enumerate(images)]

    store("cifar10", folder, examples, {"train": TRAIN, "test": TEST})
    return ["--model=cifar_resnet8", "--dataset=tfds:cifar10", f"--data_dir={folder}"], TRAIN


def imagenet(folder):
    def examples(count, seed):
        return [{"image": i, "label": n, "file_name": f"{j}.jpg"} for j, (i, n) in enumerate(photos(count, seed))]

    store("imagenet2012", folder, examples, {"train": TRAIN, "validation": TEST})
    flags = ["--model=resnet18", "--image_size=64", "--dataset=tfds:imagenet2012", f"--data_dir={folder}"]
    return flags, TRAIN


def jpeg_folder(folder):
    save_photos(folder, {"train": 1000 - TEST, "val": TEST})
    return ["--model=resnet18", "--image_size=64", f"--dataset=folder:{folder}"], 1000 - TEST


@pytest.mark.slow
@pytest.mark.parametrize("make", [cifar10, imagenet, jpeg_folder])
def test_two_epochs_on_one_and_two_machines_count_every_test_image_once(make, tmp_path):
    data, examples = make(tmp_path / "data")
    steps = math.ceil(2 * examples / BATCH)
    command = ["-m", "trainers.classification", *data, "--epochs=2", f"--batch_size={BATCH}", "--learning_rate=0.01"]
    finish(start([*command, f"--model_dir={tmp_path / 'one'}"]))
    finish(*start_machines([*command, f"--model_dir={tmp_path / 'two'}", "--distribution=multi_worker"]))
    for name in ("one", "two"):
        results = json.loads((tmp_path / name / "results.json").read_text())
        wrong = results["top1_error"] * TEST
        assert results["step"] == steps and wrong == pytest.approx(round(wrong), abs=1e-4)
        assert all(np.all(np.isfinite(value)) for value in saved_variables(tmp_path / name, "model/").values())
        finish(start(["-m", "trainers.evaluate", f"--model_dir={tmp_path / name}"]))
        evaluation = json.loads((tmp_path / name / "evaluation.json").read_text())
        # One machine's evaluation of the weights that the other evaluated together.
        assert evaluation["images"] == TEST and evaluation["top1_error"] == pytest.approx(results["top1_error"])
