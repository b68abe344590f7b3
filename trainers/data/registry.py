"""How the value of `--dataset` becomes a data set."""

import difflib
import os
import re

from keras_resnets.errors import ArgumentError


def absolute(name):
    """Returns a value of --dataset with its path made absolute, to be opened from any folder."""
    kind, _, path = name.partition(":")
    if kind not in ("folder", "idx", "voc", "coco"):
        return name
    paths = path.split(",") if kind == "coco" else [path]
    return f"{kind}:{','.join(map(os.path.abspath, paths))}"


def title(name):
    """Returns what a data set is called in a picture: the last part of its name or path."""
    return re.split(r"[:/]", name.rstrip("/"))[-1]


def open_dataset(name, data_dir=None, download=False):
    """Opens a data set for classification.

    Args:
        name: "digits", "one_digit_scenes", "idx:PATH", "folder:PATH" or "tfds:NAME": see the modules of
            `trainers.data`.
        data_dir: where TensorFlow Datasets keeps its data; None for its default.
        download: whether TensorFlow Datasets may download and prepare what is missing.

    Returns:
        An `ImageDataset`.

    Raises:
        ArgumentError: if there is no such data set, or it is damaged.
    """
    # Imported here: each source's library is loaded only when it is used.
    from trainers.data.sources import digit_scenes, digits, folder, idx, tfds_classification

    kind, separator, rest = name.partition(":")
    if name == "digits":
        return digits.open_digits()
    if name == "one_digit_scenes":
        return digit_scenes.open_one_digit_images()
    if separator and rest and kind == "idx":
        return idx.open_idx(rest)
    if separator and rest and kind == "folder":
        return folder.open_folder(rest)
    if separator and rest and kind == "tfds":
        return tfds_classification.open_tfds(rest, data_dir, download)
    close = difflib.get_close_matches(kind, ["digits", "one_digit_scenes", "idx", "folder", "tfds"], n=1)
    hint = f" (did you mean {close[0]}?)" if close and name != close[0] else ""
    raise ArgumentError(
        f"--dataset={name} is unknown{hint}: use digits, one_digit_scenes, idx:PATH, folder:PATH or tfds:NAME."
    )


def open_detection_dataset(name, data_dir=None, download=False, strict=False):
    """Opens a data set for detection.

    Args:
        name: "digit_scenes", "one_digit_scenes", "voc:PATH", "coco:IMAGES,ANNOTATIONS.json[,...]" or "tfds:NAME": see
            the modules of `trainers.data`.
        data_dir: where TensorFlow Datasets keeps its data; None for its default.
        download: whether TensorFlow Datasets may download and prepare what is missing.
        strict: whether a damaged file or object is an error; otherwise it is named on stderr and left out.

    Returns:
        A `DetectionDataset`.

    Raises:
        ArgumentError: if there is no such data set, or it is damaged.
    """
    # Imported here: each source's library is loaded only when it is used.
    from trainers.data.sources import coco, digit_scenes, tfds_detection, voc

    kind, separator, rest = name.partition(":")
    if strict and kind not in ("voc", "coco"):
        raise ArgumentError(f"--strict is for voc: and coco:, whose files are checked, not for --dataset={name}.")
    if name == "digit_scenes":
        return digit_scenes.open_digit_scenes()
    if name == "one_digit_scenes":
        return digit_scenes.open_one_digit_scenes()
    if separator and rest and kind == "voc":
        return voc.open_voc(rest, strict)
    if separator and rest and kind == "coco":
        return coco.open_coco(rest, strict)
    if separator and rest and kind == "tfds":
        return tfds_detection.open_tfds_objects(rest, data_dir, download)
    raise ArgumentError(
        f"--dataset={name} has no boxes or is unknown: use digit_scenes, one_digit_scenes, voc:PATH, "
        "coco:IMAGES,TRAIN.json,IMAGES,TEST.json or tfds:NAME."
    )
