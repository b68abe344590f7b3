"""Folders of images."""

import numpy as np
import pytest
from labelled_images import examples
from PIL import Image
from sklearn import datasets

from keras_resnets.errors import ArgumentError
from trainers.data.registry import open_dataset


def photograph(height, width):
    return Image.fromarray(datasets.load_sample_images().images[0][:height, :width])


def write_folder(root, test="val"):
    for split, sizes in {"train": [(40, 60), (70, 50)], test: [(33, 33)]}.items():
        for label in ("cat", "dog"):
            (root / split / label).mkdir(parents=True)
            for i, size in enumerate(sizes):
                photograph(*size).save(root / split / label / f"{i}.jpg", quality=95)


@pytest.mark.parametrize("test", ["val", "test"])
def test_folder_of_images(test, tmp_path, capsys):
    write_folder(tmp_path, test)
    dataset = open_dataset(f"folder:{tmp_path}")
    assert dataset.labels == ("cat", "dog") and dataset.side is None
    assert [int(example["label"]) for example in examples(dataset.train)] == [0, 0, 1, 1]
    assert [example["image"].shape for example in examples(dataset.train)][:2] == [(40, 60, 3), (70, 50, 3)]
    pixels = np.asarray(photograph(33, 33), int)
    assert np.abs(examples(dataset.test)[0]["image"].numpy() - pixels).mean() < 3
    assert "skipped" not in capsys.readouterr().err


def test_images_of_any_kind_are_decoded_and_damaged_ones_named(tmp_path, capsys):
    write_folder(tmp_path)
    cat, dog = tmp_path / "train" / "cat", tmp_path / "train" / "dog"
    photograph(40, 40).convert("CMYK").save(cat / "cmyk.jpg")
    photograph(40, 40).convert("L").save(cat / "gray.png")
    photograph(40, 40).save(cat / "png_inside.jpg", "PNG")
    (cat / "notes.txt").write_text("no image")
    whole = (dog / "0.jpg").read_bytes()
    (dog / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (dog / "empty.png").write_bytes(b"")
    dataset = open_dataset(f"folder:{tmp_path}")
    assert [int(example["label"]) for example in examples(dataset.train)] == [0] * 5 + [1] * 2
    assert all(example["image"].shape[-1] == 3 for example in examples(dataset.train))
    message = capsys.readouterr().err
    assert f"skipped {dog / 'truncated.jpg'}: it cannot be decoded" in message
    assert f"skipped {dog / 'empty.png'}: it cannot be decoded" in message
    assert f"skipped 2 of 9 images in {tmp_path / 'train'}" in message


def test_hidden_folders_are_no_classes(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "train" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "val" / ".trash").mkdir()
    (tmp_path / "train" / "cat" / "folder.jpg").mkdir()
    dataset = open_dataset(f"folder:{tmp_path}")
    assert dataset.labels == ("cat", "dog") and dataset.train.size == 4
    (tmp_path / "train" / "owl").mkdir()
    with pytest.raises(ArgumentError, match="/train/owl has no image: remove it, or fill it"):
        open_dataset(f"folder:{tmp_path}")


def test_folders_that_are_no_data_sets(tmp_path):
    with pytest.raises(ArgumentError, match=f"there is no folder {tmp_path}/train"):
        open_dataset(f"folder:{tmp_path}")
    (tmp_path / "train").mkdir()
    with pytest.raises(ArgumentError, match=f"there is no folder {tmp_path}/val or {tmp_path}/test"):
        open_dataset(f"folder:{tmp_path}")
    (tmp_path / "val" / "cow").mkdir(parents=True)
    with pytest.raises(ArgumentError, match="has the class 'cow', which .*/train lacks"):
        open_dataset(f"folder:{tmp_path}")
    (tmp_path / "train" / "cow").mkdir()
    with pytest.raises(ArgumentError, match="/train has no images in folders by class"):
        open_dataset(f"folder:{tmp_path}")
