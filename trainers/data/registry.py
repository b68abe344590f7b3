"""Opens the data set that `--dataset` names. The only module that imports `trainers.data.sources`.

A new data set is a file in `sources/` and a row of `SOURCES`. This module imports no TensorFlow, and a source only when
its data set is opened.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from keras_resnets.errors import ArgumentError

if TYPE_CHECKING:
    from trainers.data.classification_dataset import ImageDataset
    from trainers.data.detection_dataset import DetectionDataset

Target = Literal["classification", "detection"]
# What a data set is for: to be trained on and measured with; the same, but measured with images that
# are held out; or to be measured with alone.
Purpose = Literal["training", "holdout", "evaluation"]
NAME = "NAME"  # an argument that is no path


@dataclasses.dataclass(frozen=True)
class Source:
    """A row of `SOURCES`.

    Attributes:
        kind: value of --dataset, or what stands before its colon.
        argument: what stands behind the colon, as in help texts: `NAME`, or paths with commas between them. Empty for a
            data set without an argument.
        classification: "module.function" below `trainers.data.sources`, which returns an `ImageDataset`; None for a
            source without one label per image.
        detection: likewise, of a `DetectionDataset`; None for a source without boxes.
        options: keyword arguments of these functions, which also take the argument; each of them takes those of its
            target.
    """

    kind: str
    argument: str = ""
    classification: str | None = None
    detection: str | None = None
    options: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """The value of --dataset, as in help texts."""
        return f"{self.kind}:{self.argument}" if self.argument else self.kind

    def argument_of(self, name: str) -> str | None:
        """Returns the argument in a value of --dataset, or None if that is not a value of this source."""
        kind, _, argument = name.partition(":")
        matches = kind == self.kind and bool(argument) if self.argument else name == self.kind
        return argument if matches else None

    def open(self, target: Target, argument: str, **options: Any) -> ImageDataset | DetectionDataset:
        """Imports the source, and opens the data set; of `options`, the source gets those that it takes."""
        module, function = getattr(self, target).split(".")
        opener = getattr(importlib.import_module(f"trainers.data.sources.{module}"), function)
        taken = {option: value for option, value in options.items() if option in self.options}
        return opener(*[argument] if self.argument else [], **taken)


SOURCES = (
    Source("digits", classification="digits.open_digits"),
    Source("digit_scenes", detection="digit_scenes.open_digit_scenes", options=("masks",)),
    Source(
        "one_digit_scenes",
        classification="digit_scenes.open_one_digit_images",
        detection="digit_scenes.open_one_digit_scenes",
        options=("masks",),
    ),
    Source("idx", "PATH", classification="idx.open_idx"),
    Source("folder", "PATH", classification="folder.open_folder", options=("purpose", "measured")),
    Source(
        "voc", "PATH", detection="voc.open_voc", options=("strict", "voc_first_pixel", "labels", "measured", "purpose")
    ),
    Source(
        "coco",
        "FOLDER[,TRAIN.json,FOLDER,TEST.json]",
        detection="coco.open_coco",
        options=("strict", "labels", "purpose", "masks"),
    ),
    Source("yolo", "PATH", detection="yolo.open_yolo", options=("strict", "purpose")),
    Source(
        "csv",
        "PATH",
        classification="labelled_csv.open_csv",
        detection="box_csv.open_csv",
        options=("strict", "labels", "purpose", "measured"),
    ),
    Source(
        "tfds",
        NAME,
        classification="tfds_classification.open_tfds",
        detection="tfds_detection.open_tfds",
        options=("data_dir", "download"),
    ),
)


def usage(target: Target | None) -> str:
    """Returns the values of --dataset for a target, or for any, in help texts: "digits, idx:PATH or tfds:NAME"."""
    *others, last = (source.usage for source in _sources(target))
    return f"{', '.join(others)} or {last}"


def check_name(
    target: Target | None, name: str, strict: bool = False, voc_first_pixel: str = "auto", masks: bool = False
) -> None:
    """Checks a value of --dataset. Its paths may still be wrong: the data set is not opened.

    Args:
        target: what the data set is for; None for any.
        name: the value.
        strict, voc_first_pixel, masks: see `open_detection_dataset`.

    Raises:
        ArgumentError: if no source has such names, or an option is for other sources only.
    """
    _find(target, name, strict=strict, voc_first_pixel=voc_first_pixel != "auto", masks=masks)


def open_dataset(
    name: str,
    data_dir: str | None = None,
    download: bool = False,
    holdout: float | None = None,
    evaluation: bool = False,
    measured: str | None = None,
) -> ImageDataset:
    """Opens a data set for classification.

    Args:
        name: value of --dataset: see `usage`, and the modules of `trainers.data.sources`.
        data_dir: folder of TensorFlow Datasets; None for its default.
        download: whether TensorFlow Datasets may download and prepare a missing data set.
        holdout: how many training images to hold out as the test split: see `trainers.data.split.hold_out`. None for
            the data set's own test split.
        evaluation: whether nothing is trained: then all images of a data set without splits are its test split. Images
            of a training split never are.
        measured: the split that the run was measured with that the data are for: see
            `trainers.data.split_names.choose_splits`. None for no run.

    Raises:
        ArgumentError: if there is no such data set, it is damaged, or it has no test split and there is no other.
    """
    purpose = "holdout" if holdout is not None else "evaluation" if evaluation else "training"
    dataset = _open("classification", name, data_dir=data_dir, download=download, purpose=purpose, measured=measured)
    if holdout is not None:
        from trainers.data.split import hold_out  # needs TensorFlow

        return hold_out(dataset, holdout)
    return dataset if dataset.test is not None else dataclasses.replace(dataset, test=dataset.train)


def open_detection_dataset(
    name: str,
    data_dir: str | None = None,
    download: bool = False,
    strict: bool = False,
    voc_first_pixel: str = "auto",
    labels: Sequence[str] | None = None,
    measured: str | None = None,
    evaluation: bool = False,
    masks: bool = False,
) -> DetectionDataset:
    """Opens a data set for detection.

    Args:
        name: value of --dataset: see `usage`, and the modules of `trainers.data.sources`.
        data_dir: folder of TensorFlow Datasets; None for its default.
        download: whether TensorFlow Datasets may download and prepare a missing data set.
        strict: whether a damaged file or object is an error; if not, it is reported on stderr and skipped.
        voc_first_pixel: from what the coordinates of `voc:` count, "0" or "1", or "auto" to find out.
        labels: of the run that the data are for, where the files do not list the classes; None for no run.
        measured: the split that this run was measured with: see `trainers.data.split_names.choose_splits`.
        evaluation: whether nothing is trained: then no training image needs an object.
        masks: whether annotations have the objects' masks; an object without one is left out.

    Raises:
        ArgumentError: if there is no such data set, it is damaged, or `strict` or `masks` is for other sources only.
    """
    return _open(
        "detection",
        name,
        data_dir=data_dir,
        download=download,
        strict=strict,
        voc_first_pixel=voc_first_pixel,
        labels=labels,
        measured=measured,
        purpose="evaluation" if evaluation else "training",
        masks=masks,
    )


def absolute(name: str) -> str:
    """Returns a value of --dataset with absolute paths, which can be opened from any folder."""
    for source in SOURCES:
        argument = source.argument_of(name)
        if argument is not None and source.argument not in ("", NAME):
            paths = argument.split(",") if "," in source.argument else [argument]
            return f"{source.kind}:{','.join(map(os.path.abspath, paths))}"
    return name


def title(name: str) -> str:
    """Returns the name of a data set in pictures: the last part of its name or path."""
    return re.split(r"[:/]", name.rstrip("/"))[-1]


def _sources(target: Target | None) -> list[Source]:
    return [source for source in SOURCES if target is None or getattr(source, target)]


def _open(target: Target, name: str, **options: Any) -> Any:
    source, argument = _find(target, name, **{option: options.get(option, False) for option in ("strict", "masks")})
    return source.open(target, argument, **options)


def _find(target: Target | None, name: str, **asked: bool) -> tuple[Source, str]:
    """Returns the source of a data set, and its argument in the name; `asked` says which options it has to take."""
    sources = _sources(target)
    for source in sources:
        argument = source.argument_of(name)
        if argument is not None:
            for option in (option for option, is_asked in asked.items() if is_asked):
                _check_takes(option, source, sources, name)
            return source, argument
    kind = name.partition(":")[0]
    close = difflib.get_close_matches(kind, [source.kind for source in sources], n=1)
    hint = f" (did you mean {close[0]}?)" if close and kind != close[0] else ""
    problem = "has no boxes or is unknown" if target == "detection" else "is unknown"
    raise ArgumentError(f"--dataset={name} {problem}{hint}: use {usage(target)}.")


def _check_takes(option: str, source: Source, sources: list[Source], name: str) -> None:
    if option in source.options:
        return
    takers = [source for source in sources if option in source.options]
    if option == "masks":
        raise ArgumentError(
            f"--dataset={name} has no masks of its objects: use {', '.join(taker.usage for taker in takers)}."
        )
    kinds = ", ".join(f"{taker.kind}:" for taker in takers)
    raise ArgumentError(f"--{option} is for {kinds}, not for --dataset={name}.")
