"""`folder:PATH`: image files in `PATH/train/CLASS/` and `PATH/val/CLASS/`, or in `PATH/CLASS/`.

The training split is `train` or `training`. The split to measure with is the first one that there is of `val`, `valid`,
`validation`, `dev`, `development`, `eval`, `evaluation`, `test`, `testing` and `holdout`; the others stay untouched,
which is said. All of these names may be in any case. From a folder without splits, the images to measure with are held
out in training (--holdout); evaluation takes all of them.

ILSVRC2012 as unpacked has its validation images in one folder: see `trainers.data.sources.ilsvrc`.
"""

import dataclasses
import pathlib

from keras_resnets.errors import ArgumentError
from trainers.data.classification_dataset import ImageDataset
from trainers.data.image_files import EXTENSIONS, UNSORTED, PassedOver, image_files, kind_of, listing
from trainers.data.registry import Purpose
from trainers.data.sources.ilsvrc import LAYOUT as NEEDED
from trainers.data.sources.ilsvrc import labelled_validation_images
from trainers.data.sources.labelled_files import file_dataset
from trainers.data.sources.problems import Problems, counted
from trainers.data.split_names import choose_splits

LAYOUT = "expected are PATH/train/CLASS/ and PATH/val/CLASS/ (or valid/, validation/, test/)"
SEARCHED = 3  # folders below PATH, for splits that lie deeper


def open_folder(path: str, purpose: Purpose = "training", measured: str | None = None) -> ImageDataset:
    """Opens a folder of images; the classes are the names of the folders in the training split, sorted.

    Each file is decoded once. Those that cannot be decoded, and those of other kinds, are counted on stderr.

    Args:
        path: see above.
        purpose: what the data set is for. It may lack `test` if images are held out, or if it has no splits and is to
            be measured with alone.
        measured: the split that the run was measured with that the data are for, or `OLDER_RUNS`; None for no run.

    Raises:
        ArgumentError: if a split is missing or empty, a folder cannot be read, there is one class only, or the test
            split has a class that the training split lacks.
    """
    root, passed_over = pathlib.Path(path), PassedOver()
    with Problems(f"folder:{path}", strict=False) as problems:
        train_folder, test_folder = _split_folders(root, purpose, measured, problems)
        labels = _classes(train_folder, passed_over)
        test_labels = [] if test_folder is None else _classes(test_folder, passed_over)
        if unknown := sorted(set(test_labels) - set(labels)):
            raise ArgumentError(
                f"--dataset=folder:{path}: {test_folder} has the class {unknown[0]!r}, which {train_folder} lacks."
            )
        train = _labelled_files(problems.dataset, train_folder, labels, passed_over)
        if test_folder is None:
            test = None
        elif test_labels:
            test = _labelled_files(problems.dataset, test_folder, test_labels, passed_over, may_lack=True)
        else:
            test = _flat_files(test_folder, labels, passed_over, problems)
        passed_over.say(problems.dataset)
        dataset = file_dataset(labels, train, test, problems)
        return dataclasses.replace(dataset, measured=test_folder and test_folder.name)


def _split_folders(root, purpose, measured, problems):
    """Returns the folders of the training and of the test split; None for one that there is not."""
    dataset = problems.dataset
    if not root.is_dir():
        raise ArgumentError(f"--dataset={dataset}: there is no such folder; {LAYOUT}.")
    names = _classes(root, PassedOver())
    splits = choose_splits(names, measured)
    if splits.train is None and splits.test is not None:
        raise ArgumentError(f"--dataset={dataset} has the folder {splits.test}, but no train; {LAYOUT}.")
    if splits.train is None and (deeper := _deeper(root)) is not None:
        raise ArgumentError(f"--dataset={dataset} has its splits in {deeper}: pass --dataset=folder:{deeper}.")
    if splits.test is None and purpose == "evaluation" and splits.train is not None:
        raise ArgumentError(
            f"--dataset={dataset} has the folder {splits.train}, but none to measure with; {LAYOUT}. To measure with "
            f"training images, pass --dataset=folder:{root / splits.train}."
        )
    if splits.test is None and purpose == "training":
        found = f"the folder {splits.train}, but none to measure with" if splits.train else "no folder train"
        raise ArgumentError(
            f"--dataset={dataset} has {found}; {LAYOUT}. Without such a folder, --holdout=0.2 measures with a fifth of "
            "the images, which is not trained on."
        )
    splits.say(dataset, held_out=purpose == "holdout")
    others = sorted({*names} - {splits.train, splits.test, *splits.untouched})
    if splits.train is not None and others:
        problems.say(f"{counted(len(others), 'folder')} beside those of splits: not used (e.g. {others[0]})")
    return root / (splits.train or ""), None if splits.test is None else root / splits.test


def _deeper(root):
    """Returns a folder below `root` that has both splits, or None."""
    level = [root]
    for _ in range(SEARCHED):
        level = [folder / name for folder in level for name in _classes(folder, PassedOver())]
        for folder in level:
            splits = choose_splits(_classes(folder, PassedOver()))
            if splits.train and splits.test:
                return folder
    return None


def _classes(folder, passed_over):
    """Returns the names of the folders in `folder`, sorted, except hidden ones, and counts the files beside them."""
    names = []
    for entry in listing(folder):
        kind = kind_of(entry)
        if kind is None:
            names.append(entry.name)
        else:
            passed_over[UNSORTED if kind in EXTENSIONS else kind] += 1
    return names


def _labelled_files(dataset, folder, labels, passed_over, may_lack=False):
    """Returns the images by class; `may_lack` tells whether a class may have none."""
    files = []
    for label in labels:
        others = PassedOver()
        found = image_files(folder / label, others)
        if not found and not may_lack:
            what = f" ({others}{others.remedy})" if others else ""
            raise ArgumentError(f"--dataset={dataset}: {folder / label} has no image{what}: remove it, or fill it.")
        files += [(file, label) for file in found]
        passed_over.update(others)
    if not files:
        endings = ", ".join(sorted(EXTENSIONS))
        what = f"; passed over: {passed_over}{passed_over.remedy}" if passed_over else ""
        raise ArgumentError(f"--dataset={dataset}: {folder} has no images in folders by class ({endings}){what}.")
    return files


def _flat_files(folder, labels, passed_over, problems):
    """Returns the files of a test split without folders by class, which is ILSVRC2012's."""
    images = [folder / entry.name for entry in listing(folder) if kind_of(entry) in EXTENSIONS]
    files = labelled_validation_images(folder, images, labels, problems)
    if files is None:
        raise ArgumentError(
            f"--dataset={problems.dataset}: {folder} has {len(images)} images, but no folders by class; {NEEDED}."
        )
    del passed_over[UNSORTED]
    return files
