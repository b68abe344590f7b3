"""ILSVRC2012 as unpacked: training images in folders by class, validation images in one folder."""

import numpy as np
import pytest
from labelled_images import examples
from PIL import Image
from scipy.io import savemat

from keras_resnets.errors import ArgumentError
from trainers.data.registry import open_dataset

CLASSES = ("n01440764", "n02119789")
OF_IMAGES = [1, 0, 1, 0]  # of the validation images, in the order of their names


@pytest.fixture
def folder(tmp_path):
    """Kaggle's folder with `train` and `val`."""
    root = tmp_path / "ILSVRC" / "Data" / "CLS-LOC"
    for label in CLASSES:
        (root / "train" / label).mkdir(parents=True)
        Image.new("L", (8, 8)).save(root / "train" / label / f"{label}_1.JPEG")
    (root / "val").mkdir()
    for i in range(1, 5):
        Image.new("L", (8, 8)).save(root / "val" / f"ILSVRC2012_val_{i:08}.JPEG")
    return root


def labels(folder):
    return [int(example["label"]) for example in examples(open_dataset(f"folder:{folder}").test)]


def test_the_solution_of_kaggle(folder, tmp_path, capsys):
    rows = [f"ILSVRC2012_val_{i:08},{CLASSES[label]} 5 5 30 30 " for i, label in enumerate(OF_IMAGES, 1)]
    (tmp_path / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *reversed(rows)]))
    assert labels(folder) == OF_IMAGES and "passed over" not in capsys.readouterr().err
    rows[0] = rows[0].replace(CLASSES[1], "n09999999")
    (tmp_path / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows[:3]]))
    assert labels(folder) == OF_IMAGES[1:3]
    message = capsys.readouterr().err
    assert "1 image: no training image has its class (" in message and "1 image: the list of validation im" in message


def test_the_numbers_of_the_devkit_are_not_in_the_order_of_names(folder, tmp_path):
    devkit = tmp_path / "ILSVRC2012_devkit_t12" / "data"
    devkit.mkdir(parents=True)
    # The first class has the number 2; an inner node of WordNet follows the classes.
    numbers = {CLASSES[0]: 2, CLASSES[1]: 1}
    lines = [str(numbers[CLASSES[label]]) for label in OF_IMAGES]
    (devkit / "ILSVRC2012_validation_ground_truth.txt").write_text("\n".join(lines) + "\n")
    with pytest.raises(ArgumentError, match="has numbers of classes in the devkit's order: put its meta.mat beside it"):
        open_dataset(f"folder:{folder}")
    kinds = [("ILSVRC2012_ID", "f8"), ("WNID", "O"), ("words", "O"), ("num_children", "f8")]
    synsets = [(numbers[name], name, "a fish", 0) for name in CLASSES] + [(3, "n00001740", "entity", 2)]
    savemat(devkit / "meta.mat", {"synsets": np.array(synsets, dtype=kinds)})
    assert labels(folder) == OF_IMAGES


def test_without_a_list_the_needed_file_is_named(folder):
    message = "/val has 4 images, but no folders by class; of ILSVRC2012, LOC_val_solution.csv is needed"
    with pytest.raises(ArgumentError, match=message):
        open_dataset(f"folder:{folder}")
