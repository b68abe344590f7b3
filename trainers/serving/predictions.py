"""Predictions for image files, as tables and pictures."""

import itertools
import os
import pathlib
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_resnets.errors import ArgumentError
from keras_resnets.preprocessing import decode
from keras_resnets.serving import SavedModelSession, predict_files
from trainers.metrics.masks import as_coco
from trainers.metrics.masks import decode as decode_mask
from trainers.plots.drawing import draw_detections, shade_masks
from trainers.runtime.choices import SHOWN_SCORE
from trainers.runtime.progress import Progress
from trainers.serving.published_detectors import export_published, resizing_for
from trainers.tasks.pasted_masks import pasted_masks


def open_export(export: str, classes: Sequence[int] | None) -> SavedModelSession:
    """Opens an export that takes image files.

    Args:
        export: folder of a version, or of all versions.
        classes: numbers of the classes that a localizer is to find; None for other exports.

    Raises:
        ArgumentError: if there is no SavedModel, or it needs other inputs.
    """
    session = SavedModelSession(export)
    if "image_bytes" not in session.signatures:
        return session
    inputs = session.signatures["image_bytes"].inputs
    if "proposals" in inputs:
        raise ArgumentError(f"--export={export} takes proposals, which need Python code: see SavedModelSession.")
    if "classes" in inputs and classes is None:
        raise ArgumentError(f"--export={export} finds objects of given classes: pass --classes=NUMBER,NUMBER,...")
    if "classes" not in inputs and classes is not None:
        raise ArgumentError(f"--classes is for localizers, and --export={export} is none: leave it out.")
    return session


def open_detector(name: str, weights: str, files: Sequence[pathlib.Path], **settings: Any) -> SavedModelSession:
    """Opens an export of a published detector, which is made for image files and not kept.

    Args:
        name: one of `keras_resnets.list_detectors()`.
        weights: see `trainers.serving.published_detectors.export_published`.
        files: paths of the image files. The canvas is no larger than they need.
        **settings: other arguments of `export_published`.

    Raises:
        ArgumentError: if there are no such weights, or they do not fit.
    """
    with tempfile.TemporaryDirectory() as folder:
        return SavedModelSession(export_published(name, weights, folder, resizing=resizing_for(files), **settings))


def predict(
    session: Callable, files: Sequence[pathlib.Path], classes: Sequence[int] | None, check: Callable[[dict], None]
) -> list[dict]:
    """Returns the answers for image files, see `predict_files`, and shows progress.

    Masks are in the image, as COCO's run lengths: dicts of `size`, [height, width], and `counts`, a text.

    Args:
        session: the session of an export, or the client of a server.
        files: paths of the image files.
        classes: see `open_export`.
        check: function that is called with each answer as it arrives.

    Raises:
        ArgumentError: if no image has an answer for one of the classes.
    """
    answers = []
    with Progress(len(files), "predicting", "images") as progress:
        for answer in predict_files(session, files, classes=classes):
            check(answer)
            answers.append(_with_pasted_masks(answer))
            progress.update(1)
    answered = [answer for answer in answers if "error" not in answer]
    found = {number for answer in answered for number in answer["classes"]}
    missing = [str(number) for number in classes or () if number not in found]
    if answered and missing:
        raise ArgumentError(f"--classes={','.join(missing)}: the export has no such classes: leave them out.")
    return answers


def _with_pasted_masks(answer):
    """Returns an answer with masks in the image, as COCO's results have them, where it has masks in boxes."""
    if not answer.get("masks"):
        return answer
    size = _pixels(answer["file"]).shape[:2]
    masks, boxes = (np.array(answer[name], np.float32) for name in ("masks", "boxes"))
    return {**answer, "masks": [as_coco(runs.decode(), *size) for runs in pasted_masks(masks, boxes, *size)]}


def _pixels(file):
    return decode(tf.constant(pathlib.Path(file).read_bytes())).numpy()


def limit_note(session: SavedModelSession, answers: list[dict], score: float = SHOWN_SCORE) -> str | None:
    """Returns a line about images on which a detector may have left out objects, or None.

    Args:
        session: the session of the export that gave the answers.
        answers: what `predict_files` yields.
        score: lowest score of the detections that are shown, from 0 to 1.
    """
    outputs = session.signatures["image_bytes"].outputs
    if "num_detections" not in outputs:
        return None
    limit = outputs["boxes"].tensor_shape.dim[1].size
    full = [answer for answer in answers if len(answer.get("scores", ())) == limit and answer["scores"][-1] >= score]
    if not full:
        return None
    return (
        f"{len(full)} of {len(answers)} images have {limit} detections, all that the export returns, for example "
        f"{full[0]['file']}: more objects need an export with a larger --max_detections"
    )


def table(answers: list[dict], folder_is_label: bool = False, score: float = SHOWN_SCORE) -> list[str]:
    """Returns the answers as lines of text.

    Args:
        answers: what `predict_files` yields.
        folder_is_label: whether to compare each answer with the name of the image's folder, its label in the data sets
            `folder:PATH`. The lines then say "right" or "WRONG", and a last line counts the right ones.
        score: lowest score of the detections to show, from 0 to 1.
    """
    width = max(len(answer["file"]) for answer in answers)
    lines, right = [], 0
    for answer in answers:
        line = f"{answer['file']:{width}}  "
        if "error" in answer:
            lines.append(line + answer["error"])
        elif "boxes" in answer:
            lines.append(line + (_objects(answer, score) or f"nothing with a score of {score:.0%}"))
        else:
            top = [f"{label} {share:6.2%}" for label, share in zip(answer["labels"][:3], answer["probabilities"])]
            if folder_is_label:
                is_right = answer["labels"][0] == pathlib.Path(answer["file"]).parent.name
                right += is_right
                line += "right  " if is_right else "WRONG  "
            lines.append(line + "  ".join(top))
    return lines + ([f"{right} of {len(answers)} right"] if folder_is_label else [])


def _objects(answer, score):
    """Returns the detections of an image as a text; boxes are [x1 y1 x2 y2] in pixels."""
    shown = [
        f"{label} {share:.0%} [{' '.join(f'{side:.0f}' for side in box)}]"
        for label, share, box in zip(answer["labels"], answer["scores"], answer["boxes"])
        if share >= score
    ]
    return "  ".join(shown)


def draw(answers: list[dict], folder: str | os.PathLike, score: float = SHOWN_SCORE) -> list[pathlib.Path]:
    """Writes PNG copies of images with the boxes, labels and masks of a detector.

    Args:
        answers: what `predict_files` yields.
        folder: folder for the copies. A copy has its image's name; `_2`, `_3` ... is added if the path is that of
            another copy or of one of the images.
        score: lowest score of the detections to draw, from 0 to 1.

    Returns:
        The paths of the copies; classifiers' answers and damaged images have none.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    taken, paths = {pathlib.Path(answer["file"]).resolve() for answer in answers}, []
    for answer in answers:
        if "boxes" not in answer:
            continue
        file = pathlib.Path(answer["file"])
        names = itertools.chain([file.stem], (f"{file.stem}_{i}" for i in itertools.count(2)))
        path = next(path for name in names if (path := folder.resolve() / f"{name}.png") not in taken)
        taken.add(path)
        shown = [i for i, share in enumerate(answer["scores"]) if share >= score]
        boxes, classes, scores = ([answer[name][i] for i in shown] for name in ("boxes", "classes", "scores"))
        labels = dict(zip(answer["classes"], answer["labels"]))
        picture = _pixels(file)
        if "masks" in answer:
            masks = (decode_mask(answer["masks"][i]["counts"], *picture.shape[:2]) for i in reversed(shown))
            picture = shade_masks(picture, masks, classes[::-1])
        picture = draw_detections(picture, boxes, classes, labels, scores)
        Image.fromarray(picture).save(path)
        paths.append(path)
    return paths
