"""Labels of ILSVRC2012's validation images, which lie in one folder as unpacked (doi 10.1007/s11263-015-0816-y).

They are in Kaggle's `LOC_val_solution.csv`, or in the devkit's `ILSVRC2012_validation_ground_truth.txt`: numbers, which
its `meta.mat` gives to classes. (They are not in the order of the classes' names.)
"""

import csv
import pathlib
from collections.abc import Mapping, Sequence

from keras_resnets.errors import ArgumentError
from trainers.data.sources.labelled_files import LabelledFile
from trainers.data.sources.problems import Damage, Problems
from trainers.data.sources.text_files import read_text

SOLUTION, NUMBERS, META = "LOC_val_solution.csv", "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
DEVKIT = "ILSVRC2012_devkit_t12/data"
LAYOUT = f"of ILSVRC2012, {SOLUTION} is needed in that folder or above it, or {NUMBERS} with {META}"
ABOVE = 4  # folders above the images', in which the files are looked for


def labelled_validation_images(
    folder: pathlib.Path, images: Sequence[pathlib.Path], labels: Sequence[str], problems: Problems
) -> list[LabelledFile] | None:
    """Returns the images of a flat folder with their classes, or None if no file tells them.

    Args:
        folder: the images' folder; the file is there, or in a folder above it, or in that one's devkit.
        images: in the folder.
        labels: the classes that are trained on, WordNet's numbers. Images of others are reported.
        problems: where to report images that cannot be used.

    Raises:
        ArgumentError: if a file is damaged, or the devkit's numbers are there without its order of classes.
    """
    above = [folder, *folder.absolute().parents[:ABOVE]]
    places = [place for parent in above for place in (parent, parent / DEVKIT)]
    if solution := _first(places, SOLUTION):
        classes = _of_solution(solution)
    elif numbers := _first(places, NUMBERS):
        classes = _of_numbers(numbers, _first([numbers.parent, *places], META))
    else:
        return None
    return [(image, label) for image, label in _found(images, classes, labels, problems)]


def _found(images, classes: Mapping[str, str], labels, problems):
    known = set(labels)
    for image in images:
        with problems.leave_out("image", image):
            label = classes.get(image.stem)
            if label is None:
                raise Damage("the list of validation images lacks it")
            if label not in known:
                raise Damage("no training image has its class", label)
            yield image, label


def _first(places, name):
    return next((place / name for place in places if (place / name).is_file()), None)


def _of_solution(file):
    """Returns the class of each image by its name without ending; the boxes are left out."""
    with open(file, newline="") as stream:
        rows = list(csv.DictReader(stream))
    try:
        return {row["ImageId"]: row["PredictionString"].split()[0] for row in rows}
    except (KeyError, IndexError, AttributeError) as error:
        raise ArgumentError(f"{file} must have the columns ImageId and PredictionString: fetch it again.") from error


def _of_numbers(file, meta):
    if meta is None:
        raise ArgumentError(
            f"{file} has numbers of classes in the devkit's order: put its {META} beside it, or use {SOLUTION}."
        )
    from scipy.io import loadmat  # scikit-learn needs it

    synsets = loadmat(meta, squeeze_me=True)["synsets"]
    names = {int(synset["ILSVRC2012_ID"]): str(synset["WNID"]) for synset in synsets if not synset["num_children"]}
    try:
        numbers = [int(line) for line in read_text(file).split()]
        return {f"ILSVRC2012_val_{i:08}": names[number] for i, number in enumerate(numbers, 1)}
    except (ValueError, KeyError) as error:
        raise ArgumentError(f"{file} has a line that is no number of a class ({error}): fetch it again.") from error
