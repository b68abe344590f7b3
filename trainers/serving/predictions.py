"""Predictions for image files, as tables and pictures."""

import itertools
import pathlib
from collections.abc import Callable, Sequence

import tensorflow as tf
from PIL import Image

from keras_resnets import ArgumentError
from keras_resnets.preprocessing import decode
from keras_resnets.serving import SavedModelSession, predict_files
from trainers.data.sources.folder import image_files
from trainers.plots.drawing import draw_detections
from trainers.runtime.choices import SHOWN_SCORE
from trainers.runtime.progress import Progress


def find_images(arguments):
    """Returns the files among the arguments, and the images below the folders among them.

    Raises:
        ArgumentError: if something does not exist, or there is nothing to do.
    """
    files = []
    for path in map(pathlib.Path, arguments):
        if not path.exists():
            raise ArgumentError(f"{path} does not exist: give image files or folders.")
        found = image_files(path) if path.is_dir() else [path]
        if not found:
            raise ArgumentError(f"{path} has no image files.")
        files += found
    if not files:
        raise ArgumentError("nothing to predict: give image files or folders after the flags.")
    return files


def open_export(export: str, classes: Sequence[int] | None) -> SavedModelSession:
    """Returns the session of an export that takes image files.

    Args:
        export: the folder of a version, or of all versions.
        classes: numbers of the classes to find, for a localizer; None for none.

    Raises:
        ArgumentError: if there is no SavedModel, or it takes other inputs.
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


def predict(
    session: Callable, files: Sequence[pathlib.Path], classes: Sequence[int] | None, check: Callable[[dict], None]
) -> list[dict]:
    """Returns the answers for image files, as `predict_files` yields them, and shows the progress.

    Args:
        session: of an export, or a client of a server.
        files: their paths.
        classes: see `open_export`.
        check: is called with each answer when it comes.

    Raises:
        ArgumentError: if nothing came back for one of the classes.
    """
    answers = []
    with Progress(len(files), "predicting", "images") as progress:
        for answer in predict_files(session, files, classes=classes):
            check(answer)
            answers.append(answer)
            progress.update(1)
    answered = [answer for answer in answers if "error" not in answer]
    found = {number for answer in answered for number in answer["classes"]}
    missing = [str(number) for number in classes or () if number not in found]
    if answered and missing:
        raise ArgumentError(f"--classes={','.join(missing)}: the export has no such classes: leave them out.")
    return answers


def table(answers, folder_is_label=False, score=SHOWN_SCORE):
    """Returns the answers as lines of text.

    Args:
        answers: as `predict_files` yields them.
        folder_is_label: whether to say if each answer is the name of the image's folder, as in the data sets
            `folder:`, and to count those that are, in a last line.
        score: of a detection, at least.
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
    shown = [
        f"{label} {share:.0%} [{' '.join(f'{side:.0f}' for side in box)}]"
        for label, share, box in zip(answer["labels"], answer["scores"], answer["boxes"])
        if share >= score
    ]
    return "  ".join(shown)


def draw(answers, folder, score=SHOWN_SCORE):
    """Writes a copy of each image of a detector's answers into a folder, as PNG, with its boxes and labels.

    Args:
        answers: as `predict_files` yields them.
        folder: path; a copy is called like its image, with `_2`, `_3` ... where that would be another copy or an image.
        score: of a detection, at least.

    Returns:
        The copies' paths.
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
        picture = draw_detections(decode(tf.constant(file.read_bytes())).numpy(), boxes, classes, labels, scores)
        Image.fromarray(picture).save(path)
        paths.append(path)
    return paths
