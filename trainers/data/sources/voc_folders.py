"""Where the images and the annotation files of `voc:` are."""

import collections
import dataclasses
import os
import pathlib
import re
import sys

from keras_resnets.errors import ArgumentError
from trainers.data.image_files import PassedOver, files_below
from trainers.data.sources.image_index import ImageIndex, last_part
from trainers.data.sources.problems import Problems, counted
from trainers.data.sources.split_words import split_word
from trainers.data.sources.text_files import lines_of
from trainers.data.split_names import choose_splits

LAYOUT = (
    "expected are PATH/VOC2007/ (or other years; or PATH is such a folder) with JPEGImages/ID.jpg, Annotations/ID.xml, "
    "ImageSets/Main/trainval.txt and test.txt (or train.txt and val.txt); or XML files beside their images"
)
# Of datumaro and CVAT, which write no annotation file for an image without objects.
LABEL_MAP = "labelmap.txt"
VALIDATION = ("val", "valid", "validation")  # lists in ImageSets/Main
# A year is annotated if at least this share of its test images have a file. In 2012, 47 % have one, but only for the
# persons of the action and layout challenges.
ANNOTATED_SHARE = 0.5


@dataclasses.dataclass(frozen=True)
class ListedImage:
    """An image of a split.

    Attributes:
        annotation: its annotation file.
        may_be_empty: whether it has no object if it has no annotation file.
        index: of the images.
        near: the folder where the image is looked for first.
        problems: where an annotation file is reported that names another image.
    """

    annotation: pathlib.Path
    may_be_empty: bool
    index: ImageIndex
    near: pathlib.Path
    problems: Problems

    def find(self, stated: str = "") -> pathlib.Path:
        """Returns the image: the one of the annotation file's own name or, if there is none, the stated one.

        People rename and copy files, and leave what is written in them.
        """
        own = self.annotation.stem
        paths = [f"{own}.jpg", own]
        name = last_part(stated)
        if own.lower() in (name.lower(), os.path.splitext(name)[0].lower()):
            paths = [name, *paths]  # Of several images of the file's own name, the stated one is meant.
            stated = ""
        file = self.index.find(self.annotation, paths, self.near)
        if stated and not file.is_file():
            return self.index.find(self.annotation, [stated], self.near)
        if stated and self.index.has(stated):
            self.problems.report(
                "image",
                self.annotation,
                "<filename> is another image than that of the XML file's own name",
                f"{stated}, but {file}",
                "the latter is used",
            )
        return file


def listed_splits(
    root: pathlib.Path, measured: str | None, problems: Problems
) -> tuple[list[ListedImage], list[ListedImage] | None, str | None]:
    """Returns the training images, the test images, and the name of their split; None if there are no test images.

    Args:
        root: of the data set.
        measured: the name that a run recorded, or `OLDER_RUNS`; None for no run.
        problems: where to say what is left out.

    Raises:
        ArgumentError: if there are no images to train on.
    """
    years = years_of(root)
    if not years:
        return _folder_splits(root, measured, problems)
    splits = _lists_of_splits(root, years, measured, problems)
    train, test = (
        lists and [image for year, file in lists for image in _listed(year, file, problems)] for lists in splits
    )
    return train, test, splits[1] and splits[1][0][1].stem


def years_of(root: pathlib.Path) -> list[pathlib.Path]:
    """Returns the folders with lists of images in `ImageSets/Main`."""
    folders = [root, *sorted(root.iterdir())] if root.is_dir() else []
    years = [folder for folder in folders if (folder / "ImageSets" / "Main").is_dir()]
    return years[:1] if root in years else years


def _lists_of_splits(root, years, measured, problems):
    """Returns the training and the test lists, each [(folder of a year, file)]; the second is None if there is none."""
    annotated = [year for year in years if _is_annotated(year)]
    validation = _lists(years, *VALIDATION)
    prefers_test = _lists(years, "trainval") if measured is None else measured.lower() not in VALIDATION
    if annotated and (prefers_test or not validation):
        train, test = _lists(years, "trainval", "train"), _lists(annotated, "test")
    else:
        train, test = _lists(years, "train"), validation
        if annotated:
            problems.say(f"measured with {test[0][1].stem}; not used: test")
    if not test:
        train = _lists(years, "trainval", "train", "default") or _only_lists(years)
    if not train:
        found = sorted(file.name for year in years for file in _main(year).glob("*.txt"))
        raise ArgumentError(
            f"--dataset=voc:{root} lists no images to train on in ImageSets/Main "
            f"(found: {', '.join(found[:10]) or 'no list'}); {LAYOUT}."
        )
    return train, test or None


def _main(year):
    return year / "ImageSets" / "Main"


def _lists(years, *splits):
    """Returns (year, file of its first split among `splits`) for the years that have one."""
    lists = []
    for year in years:
        files = {file.stem.lower(): file for file in sorted(_main(year).glob("*.txt"), reverse=True)}
        lists += [(year, files[split]) for split in splits if split in files][:1]
    return lists


def _only_lists(years):
    """Returns (year, its list) for the years that have a single list."""
    lists = [(year, list(_main(year).glob("*.txt"))) for year in years]
    return [(year, files[0]) for year, files in lists if len(files) == 1]


def _is_annotated(year):
    ids = [image_id for _, file in _lists([year], "test") for image_id in _image_ids(year, file)]
    found = sum(_annotation_file(year, image_id).is_file() for image_id in ids)
    annotated = bool(ids) and found >= ANNOTATED_SHARE * len(ids)
    if ids and not annotated:
        print(f"{year}: only {found} of {len(ids)} test images are annotated: not used", file=sys.stderr)
    return annotated


def _image_ids(year, file):
    return [_image_id(year, line) for line in lines_of(file)]


def _image_id(year, line):
    """Returns the id in a line, which may have spaces or be in quotes; a flag of -1, 0 or 1 may follow it."""
    with_flag = re.fullmatch(r"(.*\S)\s+-?[01]", line)
    if with_flag and not _annotation_file(year, line).is_file():
        line = with_flag[1]
    return line.strip('"')


def _annotation_file(year, image_id):
    return year / "Annotations" / f"{image_id}.xml"


def _listed(year, file, problems):
    # VOC has masks of the same names in other folders.
    root = year / "JPEGImages" if (year / "JPEGImages").is_dir() else year
    index, may_be_empty, images = ImageIndex(root, problems), (year / LABEL_MAP).is_file(), []
    for image_id, times in collections.Counter(_image_ids(year, file)).items():
        if times > 1:
            problems.note("image", file, "listed more than once", f"{image_id}, {times} times", "taken once")
        folder = (root / image_id).parent
        images.append(ListedImage(_annotation_file(year, image_id), may_be_empty, index, folder, problems))
    return images


def _folder_splits(root, measured, problems):
    files = files_below(root, [".xml"], PassedOver()) if root.is_dir() else []
    if not files:
        raise ArgumentError(
            f"--dataset=voc:{root}: there is no ImageSets/Main in it or its folders, and no XML file; {LAYOUT}."
        )
    index, by_split = ImageIndex(root, problems, says_folders=False), {}
    stems = {file.stem.lower() for file in files}
    bare = [image for image in index.files if image.stem.lower() not in stems]
    index.say_passed_over(".xml")
    if bare:
        problems.say(f"{counted(len(bare), 'image')} without an XML file left out (e.g. {bare[0]})")
    for file in files:
        listed = ListedImage(file, False, index, file.parent, problems)
        by_split.setdefault(split_word(file.parent.relative_to(root)), []).append(listed)
    chosen = choose_splits(by_split, measured)
    if chosen.train is None and chosen.test is not None:
        raise ArgumentError(f"--dataset=voc:{root} has a folder {chosen.test}, and none called train; {LAYOUT}.")
    chosen.say(problems.dataset)
    if chosen.train is not None and "" in by_split:
        problems.say(f"{counted(len(by_split['']), 'XML file')} outside of the folders of splits: not used")
    return by_split[chosen.train or ""], by_split.get(chosen.test), chosen.test
