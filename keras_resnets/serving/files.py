"""Predictions for image files, in a session of this process or on a server."""

import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from keras_resnets.errors import ArgumentError
from keras_resnets.serving.image_bytes import INVALID, OK

BATCH = 8


def predict_files(
    session: Callable[..., dict[str, np.ndarray]],
    files: Sequence[str | os.PathLike],
    batch_size: int = BATCH,
    classes: Sequence[int] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yields a dict for each file, in their order, with `file` and either the prediction or `error`.

    The prediction of a classification net is `labels`, `classes` and `probabilities` of its most likely classes. That
    of a detector is `boxes` ([x1, y1, x2, y2] in pixels of the image), `labels`, `classes` and `scores`, best first,
    and of a Mask R-CNN `masks` (28 rows of 28 probabilities in the box). That of a localizer is the same, in the order
    of the given classes. All values are lists.

    Args:
        session: a `SavedModelSession`, `GrpcClient` or `RestClient`.
        files: paths of encoded images.
        batch_size: number of images in one request.
        classes: for a localizer, the classes of the objects to find in each image.

    Raises:
        ArgumentError: (a ValueError) with the first prediction, if a file does not exist.
    """
    for file in files:
        if not os.path.isfile(file):
            raise ArgumentError(f"files has {str(file)!r}, which is not an existing file: pass paths of image files.")
    given = {} if classes is None else {"classes": np.array([classes], np.int32)}
    for start in range(0, len(files), batch_size):
        batch = [pathlib.Path(file) for file in files[start : start + batch_size]]
        others = {name: np.repeat(values, len(batch), axis=0) for name, values in given.items()}
        outputs = session("image_bytes", image_bytes=[file.read_bytes() for file in batch], **others)
        answer = _detections if "boxes" in outputs else _likeliest
        for i, file in enumerate(batch):
            output = {name: values[i] for name, values in outputs.items()}
            status = output["status"].decode()
            yield {"file": str(file), **(answer(output) if status == OK else {"error": status.removeprefix(INVALID)})}


def _likeliest(output):
    classes = output["classes"]
    return {
        "labels": [label.decode() for label in output["labels"]],
        "classes": classes.tolist(),
        "probabilities": output["probabilities"][classes].tolist(),
    }


def _detections(output):
    found = output["classes"] >= 0
    return {
        "labels": [label.decode() for label in output["labels"][found]],
        **{name: output[name][found].tolist() for name in ("classes", "scores", "boxes", "masks") if name in output},
    }
