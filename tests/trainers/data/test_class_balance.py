"""Classes with unequal numbers of images: weights of the loss, and epochs with as many images of each."""

import collections

import numpy as np
import pytest
import tensorflow as tf
from configurations import classification_config
from labelled_images import as_is, labels_and_seeds
from PIL import Image

from keras_resnets import ArgumentError
from trainers.data.class_balance import balanced, class_weights
from trainers.data.classification_dataset import grayscale_dataset
from trainers.data.pipeline import training_batches
from trainers.data.registry import open_dataset
from trainers.data.split import hold_out
from trainers.engine.run_folder import RunFolder
from trainers.engine.train import train
from trainers.tasks.classification import Classification

pytestmark = pytest.mark.numerics
COUNTS = (40, 4)
SIDE = 16


def unequal(counts=COUNTS, test_counts=(50, 50)):
    """A data set whose classes differ in the mean brightness of an image: they overlap, so that their shares matter."""
    random = np.random.default_rng(0)

    def images(numbers):
        labels = np.repeat(np.arange(len(numbers)), numbers)
        means = random.normal(100 + 15 * labels, 10)
        pixels = random.normal(means[:, None, None], 5, (len(labels), SIDE, SIDE))
        return np.clip(pixels, 0, 255).astype("uint8"), labels

    return grayscale_dataset(*images(counts), *images(test_counts), ["healthy", "sick"])


def test_the_mean_weight_of_the_training_images_is_one():
    dataset = unequal()
    weights = class_weights("balanced", dataset)
    assert weights == pytest.approx({"healthy": 44 / 2 / 40, "sick": 44 / 2 / 4})
    # Only the proportions count, and a class that is not named has 1.
    assert class_weights({"sick": 10}, dataset) == pytest.approx(weights)
    assert class_weights({"sick": 1, "healthy": 0.1}, dataset) == pytest.approx(weights)
    with pytest.raises(ArgumentError, match="the data set has no class 'ill': it has healthy, sick."):
        class_weights({"ill": 1}, dataset)
    with pytest.raises(ArgumentError, match="gives every training image a weight of 0"):
        class_weights({"sick": 0, "healthy": 0}, dataset)


def test_a_class_weight_multiplies_the_losses_of_its_images():
    dataset = unequal()
    config = classification_config("cifar_resnet8", "folder:x", dataset, "digits", class_weights="balanced")
    plain = classification_config("cifar_resnet8", "folder:x", dataset, "digits")
    assert plain["class_weights"] is None
    images = np.random.default_rng(0).uniform(0, 255, (2, SIDE, SIDE, 3)).astype("float32")
    model = Classification(config, dataset).build_model()

    def loss(config, labels, **mixed):
        batch = {"image": images, "label": tf.constant(labels), **mixed}
        return float(Classification(config, dataset).losses(model, batch, training=False)[0]["cross_entropy"])

    assert loss(config, [1, 1]) == pytest.approx(5.5 * loss(plain, [1, 1]))
    assert loss(config, [0, 0]) == pytest.approx(0.55 * loss(plain, [0, 0]))
    mixed = {"other_label": tf.constant([0, 0]), "share": tf.constant([0.25, 0.25])}
    expected = 0.25 * 5.5 * loss(plain, [1, 1]) + 0.75 * 0.55 * loss(plain, [0, 0])
    assert loss(config, [1, 1], **mixed) == pytest.approx(expected)


def images_of_an_epoch(split, seed):
    return [int(key["key"]["index"]) for key in split.keys(tf.constant([seed, 0], tf.int64))]


def test_an_epoch_has_as_many_images_of_each_class():
    split = balanced(unequal()).train
    first, second = images_of_an_epoch(split, 0), images_of_an_epoch(split, 1)
    assert split.size == len(first) == 44
    for epoch in (first, second):
        times = collections.Counter(epoch)
        assert sum(times[i] for i in range(40, 44)) == 22
        assert sorted(times[i] for i in range(40, 44)) == [5, 5, 6, 6]  # as equally often as possible
        assert max(times[i] for i in range(40)) == 1
    assert set(first) != set(second) and first == images_of_an_epoch(split, 0)
    # Every image of the large class has its turn.
    assert {image for seed in range(20) for image in images_of_an_epoch(split, seed)} == set(range(44))


def test_sizes_that_do_not_divide():
    split = balanced(hold_out(unequal((9, 3)), 1)).train
    epoch = images_of_an_epoch(split, 3)
    assert split.size == len(epoch) == 12  # of 11 images: as many of both classes


def test_a_balanced_batch_depends_on_its_step_and_the_seed_only():
    split = balanced(unequal()).train

    def batches(first_step, count, seed=3):
        made = training_batches(split, as_is, batch_size=8, first_step=first_step, seed=seed)
        return labels_and_seeds(made.take(count))

    labels, seeds = batches(0, 12)
    later = batches(7, 5)
    assert (labels[7:], seeds[7:]) == later
    assert batches(0, 12, seed=4) != (labels, seeds)
    drawn = {tuple(seed) for batch in seeds for seed in batch}
    assert len(drawn) == 12 * 8  # An image that comes again is augmented in another way.


def recall_of_the_rare_class(path, **choices):
    dataset = unequal()
    if choices.get("sampling"):
        dataset = balanced(dataset)
    config = classification_config(
        "cifar_resnet8",
        "folder:x",
        dataset,
        "digits",
        freeze=("stem", "conv2", "conv3", "conv4"),  # The classifier alone learns, which is a convex problem.
        batch_size=44,
        steps=40,
        augmentation="central_crop",
        **choices,
    )
    run = RunFolder(path)
    results = train(Classification(config, dataset), run)
    rows = dict(line.split(",", 1) for line in (path / "per_class.csv").read_text().splitlines())
    assert rows["class"] == "support,predicted,precision,recall,f1"
    recall = float(rows["sick"].split(",")[3])
    worst = {row["class"]: row["recall"] for row in results["worst_classes"]}
    assert worst.get("sick", 1) == pytest.approx(recall, abs=1e-6)
    return recall


def test_the_recall_of_a_rare_class_rises(tmp_path):
    choices = {"plain": {}, "weighted": {"class_weights": "balanced"}, "sampled": {"sampling": "balanced"}}
    recalls = {name: recall_of_the_rare_class(tmp_path / name, **chosen) for name, chosen in choices.items()}
    assert min(recalls["weighted"], recalls["sampled"]) > recalls["plain"] + 0.2


def test_files_of_a_folder_are_not_read_for_their_labels(tmp_path):
    for split, names in (("train", "0123"), ("val", "0")):
        for label in ("a", "b"):
            (tmp_path / split / label).mkdir(parents=True)
            for name in names[: 2 if label == "b" else 4]:
                Image.new("RGB", (8, 8)).save(tmp_path / split / label / f"{name}.png")
    dataset = open_dataset(f"folder:{tmp_path}")
    (tmp_path / "train" / "a" / "0.png").unlink()
    assert class_weights("balanced", dataset) == pytest.approx({"a": 0.75, "b": 1.5})
