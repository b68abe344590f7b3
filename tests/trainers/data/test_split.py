"""Parts of data sets."""

import itertools

import numpy as np
import pytest
from labelled_images import as_is, examples
from PIL import Image

from keras_resnets.errors import ArgumentError
from trainers.data.pipeline import training_batches
from trainers.data.registry import open_dataset
from trainers.data.split import hold_out, sample


def test_held_out_examples_are_measured_and_never_trained_on(capsys):
    dataset = hold_out(open_dataset("digits"), 100)
    said = "--holdout=100: 100 of the 1437 training images are measured with, and not trained on, "
    assert said + "instead of the 360 test images, which are not used\n" in capsys.readouterr().err
    assert (dataset.train.size, dataset.test.size) == (1337, 100)
    indices = [{int(key["index"]) for key in split.keys(None)} for split in (dataset.train, dataset.test)]
    assert [len(one) for one in indices] == [1337, 100] and indices[0] | indices[1] == set(range(1437))
    batches = training_batches(dataset.train, as_is, batch_size=1337, first_step=0, seed=0)
    labels = np.bincount(next(iter(batches))["label"], minlength=10)
    assert labels.tolist() == np.bincount([int(e["label"]) for e in examples(dataset.train)], minlength=10).tolist()
    # Not the last ones: of a folder, those would all be of the last classes.
    assert min(indices[1]) < 200
    with pytest.raises(ArgumentError, match="--holdout=1437 must be positive and less than the 1437"):
        hold_out(open_dataset("digits"), 1437)


def test_a_share_is_held_out_of_each_class():
    digits = open_dataset("digits")
    dataset = open_dataset("digits", holdout=0.1)
    of_digits, held_out = (
        np.bincount([int(example["label"]) for example in examples(split)]) for split in (digits.train, dataset.test)
    )
    assert held_out.tolist() == [round(count / 10) for count in of_digits]
    assert dataset.train.size + dataset.test.size == digits.train.size
    with pytest.raises(ArgumentError, match="--holdout=-0.1 must be positive"):
        hold_out(digits, -0.1)


def test_held_out_images_are_the_only_ones_that_are_said_to_be_measured_with(tmp_path, capsys):
    rows = "file,label,split\n"
    for split, label in itertools.product(("train", "val", "test"), "ab"):
        for i in range(2):
            name = f"{split}/{label}/{i}.png"
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8)).save(tmp_path / name)
            rows += f"{name},{label},{split}\n"
    (tmp_path / "labels.csv").write_text(rows)
    for name in (f"folder:{tmp_path}", f"csv:{tmp_path}"):
        open_dataset(name, holdout=0.5)
        message = capsys.readouterr().err
        assert f"{name}: not used: val, test\n" in message and "measured with val" not in message
        open_dataset(name)
        assert f"{name}: measured with val; not used: test\n" in capsys.readouterr().err


def test_a_sample_is_chosen_at_random_and_in_order():
    digits = open_dataset("digits").train
    indices = [int(key["index"]) for key in sample(digits, 6).keys(None)]
    assert len(indices) == 6 and indices == sorted(indices) and indices != list(range(6))
    assert indices == [int(key["index"]) for key in sample(digits, 6).keys(None)]
    assert sample(digits, digits.size) is digits
