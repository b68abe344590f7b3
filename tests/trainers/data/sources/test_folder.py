"""Folders of images."""

import os
import shutil

import numpy as np
import pytest
from labelled_images import examples
from PIL import Image
from sklearn import datasets

from keras_resnets.errors import ArgumentError
from trainers.data.registry import open_dataset
from trainers.tasks.classification import Classification, configure
from trainers.tasks.configuration import Choices


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
    assert not [line for line in capsys.readouterr().err.splitlines() if line.startswith("folder:")]


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
    assert (
        f"folder:{tmp_path}: 1 image: it cannot be decoded: it is damaged ({dog / 'truncated.jpg'}); left out"
        in message
    )
    assert f"folder:{tmp_path}: 1 image: it is empty ({dog / 'empty.png'}); left out" in message
    assert f"folder:{tmp_path}: passed over: 1 .txt" in message


def write_classes(folder, counts):
    """Writes small images in folders by class; each image of the data set has a gray level of its own."""
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for i in range(count):
            Image.new("L", (8, 8), 10 * i + len(label)).save(folder / label / f"{i}.png")


@pytest.mark.parametrize(
    ("folders", "measured", "untouched"),
    [
        (["train", "valid"], "valid", ""),
        (["train", "valid", "test"], "valid", "test"),
        (["Train", "validation", "Test"], "validation", "Test"),
        (["Training", "Testing"], "Testing", ""),
        (["train", "val", "test", "valid"], "val", "valid, test"),
        *((["train", name], name, "") for name in ("dev", "Development", "eval", "evaluation", "holdout")),
        (["train", "test", "dev"], "dev", "test"),
        (["train", "test", "eval"], "eval", "test"),  # which may be either: both are named
        (["train", "val", "eval"], "val", "eval"),
        (["train", "holdout", "val", "dev"], "val", "dev, holdout"),
    ],
)
def test_the_validation_split_is_measured_with(folders, measured, untouched, tmp_path, capsys):
    for i, folder in enumerate(folders):
        write_classes(tmp_path / folder, {"cat": i + 1, "dog": i + 1})
    dataset = open_dataset(f"folder:{tmp_path}")
    assert dataset.train.size == 2 and dataset.test.size == 2 * (folders.index(measured) + 1)
    said = f"folder:{tmp_path}: measured with {measured}; not used: {untouched}\n"
    assert (said in capsys.readouterr().err) == bool(untouched)


def test_folders_beside_the_splits_are_named(tmp_path, capsys):
    for folder in ("train", "val", "unlabeled", "extra"):
        write_classes(tmp_path / folder, {"cat": 1, "dog": 1})
    open_dataset(f"folder:{tmp_path}")
    assert "2 folders beside those of splits: not used (e.g. extra)" in capsys.readouterr().err
    write_classes(tmp_path / "classes", {"cat": 2, "dog": 2})
    open_dataset(f"folder:{tmp_path / 'classes'}", holdout=0.5)
    assert "not used" not in capsys.readouterr().err


def levels(split):
    """Returns the gray level and the label of each image of a split."""
    return [(int(example["image"][0, 0, 0]), int(example["label"])) for example in examples(split)]


def test_of_a_folder_without_splits_a_share_of_each_class_is_held_out(tmp_path, capsys):
    write_classes(tmp_path, {"cat": 10, "horse": 5, "ox": 1})
    with pytest.raises(ArgumentError, match="has no folder train; .*--holdout=0.2 measures with a fifth of the images"):
        open_dataset(f"folder:{tmp_path}")
    dataset = open_dataset(f"folder:{tmp_path}", holdout=0.2)
    assert dataset.labels == ("cat", "horse", "ox")
    assert np.bincount([label for _, label in levels(dataset.test)], minlength=3).tolist() == [2, 1, 0]
    assert sorted(levels(dataset.train) + levels(dataset.test)) == sorted(
        levels(open_dataset(f"folder:{tmp_path}", evaluation=True).test)
    )
    assert levels(dataset.test) == levels(open_dataset(f"folder:{tmp_path}", holdout=0.2).test)
    said = "--holdout=0.2: 3 of the 16 training images, drawn by class, are measured with, and not trained on"
    assert said in capsys.readouterr().err


def test_a_training_split_alone_needs_a_holdout(tmp_path):
    write_classes(tmp_path / "train", {"cat": 3, "dog": 3})
    with pytest.raises(ArgumentError, match="has the folder train, but none to measure with; .*--holdout=0.2"):
        open_dataset(f"folder:{tmp_path}")
    dataset = open_dataset(f"folder:{tmp_path}", holdout=2)
    assert (dataset.train.size, dataset.test.size) == (4, 2)
    with pytest.raises(ArgumentError, match=f"none to measure with; .* pass --dataset=folder:{tmp_path}/train"):
        open_dataset(f"folder:{tmp_path}", evaluation=True)
    assert open_dataset(f"folder:{tmp_path}/train", evaluation=True).test.size == 6


def test_a_test_split_may_lack_a_class(tmp_path, capsys):
    write_classes(tmp_path / "train", {"cat": 1, "dog": 1})
    write_classes(tmp_path / "val", {"cat": 1, "dog": 0})
    assert open_dataset(f"folder:{tmp_path}").test.size == 1
    assert f"folder:{tmp_path}: there is no image of 'dog' to measure with\n" in capsys.readouterr().err


def test_names_of_files_that_are_no_text(tmp_path):
    write_classes(tmp_path / "train", {"cat": 1, "dog": 1})
    write_classes(tmp_path / "val", {"cat": 1, "dog": 1})
    os.rename(tmp_path / "train" / "cat" / "0.png", os.fsencode(tmp_path / "train" / "cat") + b"/\xe9.png")
    assert levels(open_dataset(f"folder:{tmp_path}").train) == [(3, 0), (3, 1)]


def test_what_tools_leave_behind_is_passed_over_and_counted(tmp_path, capsys):
    write_classes(tmp_path / "train", {"cat": 2, "dog": 2})
    write_classes(tmp_path / "val", {"cat": 1, "dog": 1})
    write_classes(tmp_path / "train" / "cat", {".ipynb_checkpoints": 2, "__MACOSX": 1})
    (tmp_path / "train" / ".ipynb_checkpoints").mkdir()
    for name in ("cat/._0.png", "cat/.DS_Store", "dog/Thumbs.db", "dog/a.webp2", "dog/b.webp2", "notes", "stray.jpg"):
        (tmp_path / "train" / name).write_bytes(b"x")
    dataset = open_dataset(f"folder:{tmp_path}")
    assert dataset.labels == ("cat", "dog") and (dataset.train.size, dataset.test.size) == (4, 2)
    said = (
        f"folder:{tmp_path}: passed over: 1 .db, 2 .webp2, 1 file without ending, 2 hidden files, 3 hidden folders, "
        "1 image outside of the folders of classes\n"
    )
    assert said in capsys.readouterr().err


def test_links_are_followed_but_not_in_circles(tmp_path, capsys):
    write_classes(tmp_path / "photos", {"a": 2, "b": 3})
    for split in ("train", "val"):
        (tmp_path / split / "dog" / "more").mkdir(parents=True)
        (tmp_path / split / "cat").symlink_to(tmp_path / "photos" / "a")
        (tmp_path / split / "dog" / "1.png").symlink_to(tmp_path / "photos" / "b" / "1.png")
        (tmp_path / split / "dog" / "more" / "b").symlink_to(tmp_path / "photos" / "b")
        (tmp_path / split / "dog" / "all").symlink_to(tmp_path / split)
        (tmp_path / split / "dog" / "lost.png").symlink_to(tmp_path / "nowhere.png")
        (tmp_path / split / "dog" / "itself.png").symlink_to("itself.png")
    dataset = open_dataset(f"folder:{tmp_path}")
    assert [label for _, label in levels(dataset.train)] == [0, 0, 1, 1, 1, 1]
    said = f"folder:{tmp_path}: passed over: 4 broken links, 2 links to folders that are read already\n"
    assert said in capsys.readouterr().err


def test_labels_that_cannot_be_meant(tmp_path, capsys):
    write_classes(tmp_path / "train", {"cat": 1, "Cat ": 1, "dog": 1})
    write_classes(tmp_path / "val", {"cat": 1})
    open_dataset(f"folder:{tmp_path}")
    message = capsys.readouterr().err
    assert f"folder:{tmp_path}: 'Cat ' and 'cat' are different classes; is one meant?" in message
    assert f"folder:{tmp_path}: there is no image of 'Cat ', 'dog' to measure with" in message
    with pytest.raises(ArgumentError, match="has one class only .photos.: a classifier needs two or more"):
        write_classes(tmp_path / "one" / "photos", {"0": 3})
        open_dataset(f"folder:{tmp_path / 'one'}", holdout=0.5)


def test_splits_that_lie_deeper_are_named(tmp_path):
    write_classes(tmp_path / "archive" / "data" / "train", {"cat": 1, "dog": 1})
    write_classes(tmp_path / "archive" / "data" / "valid", {"cat": 1, "dog": 1})
    deeper = tmp_path / "archive" / "data"
    with pytest.raises(ArgumentError, match=f"has its splits in {deeper}: pass --dataset=folder:{deeper}"):
        open_dataset(f"folder:{tmp_path}", holdout=0.2)


def test_hidden_folders_are_no_classes(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "train" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "val" / ".trash").mkdir()
    (tmp_path / "train" / "cat" / "folder.jpg").mkdir()
    dataset = open_dataset(f"folder:{tmp_path}")
    assert dataset.labels == ("cat", "dog") and dataset.train.size == 4
    (tmp_path / "train" / "owl").mkdir()
    (tmp_path / "train" / "owl" / "1.webp2").write_bytes(b"x")
    with pytest.raises(ArgumentError, match="/train/owl has no image .1 .webp2.: remove it, or fill it"):
        open_dataset(f"folder:{tmp_path}")
    (tmp_path / "train" / "owl" / "2.tif").write_bytes(b"x")
    with pytest.raises(
        ArgumentError, match="has no image .1 .tif, 1 .webp2; TIFF is not read: save it as PNG.: remove"
    ):
        open_dataset(f"folder:{tmp_path}")


def test_folders_that_are_no_data_sets(tmp_path):
    with pytest.raises(ArgumentError, match=f"folder:{tmp_path}/nowhere: there is no such folder"):
        open_dataset(f"folder:{tmp_path}/nowhere")
    with pytest.raises(ArgumentError, match="has no folder train"):
        open_dataset(f"folder:{tmp_path}")
    (tmp_path / "val" / "cow").mkdir(parents=True)
    with pytest.raises(ArgumentError, match="has the folder val, but no train"):
        open_dataset(f"folder:{tmp_path}")
    (tmp_path / "train").mkdir()
    with pytest.raises(ArgumentError, match="has the class 'cow', which .*/train lacks"):
        open_dataset(f"folder:{tmp_path}")
    (tmp_path / "val" / "cow").rmdir()
    with pytest.raises(ArgumentError, match="/train has no images in folders by class"):
        open_dataset(f"folder:{tmp_path}")


@pytest.mark.skipif(os.getuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_not_empty(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "train" / "dog").chmod(0)
    with pytest.raises(ArgumentError, match="/train/dog cannot be read .Permission denied."):
        open_dataset(f"folder:{tmp_path}")


def test_a_run_is_measured_with_the_split_of_its_training(tmp_path):
    for count, split in enumerate(("train", "test", "valid"), 1):
        write_classes(tmp_path / split, {"cat": count, "dog": count})
    name = f"folder:{tmp_path}"
    dataset = open_dataset(name)
    config = configure(Choices(name, dataset, "digits"), "resnet18")
    assert config["measured"] == dataset.measured == "valid"
    older = {key: value for key, value in config.items() if key != "measured"}
    assert configure(Choices(name, dataset, "digits", begun=older), "resnet18")["measured"] is None
    write_classes(tmp_path / "val", {"cat": 4, "dog": 4})

    def measured(config, dataset):
        return Classification.open_dataset({**config, "dataset": dataset}, name, None, False).test.size

    assert measured(config, name) == 6 and measured(config, "folder:another") == measured(older, name) == 8
    shutil.rmtree(tmp_path / "val")
    assert measured(older, name) == 4  # Formerly, a folder "valid" was no split.
