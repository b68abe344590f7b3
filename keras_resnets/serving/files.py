"""Asking an export about image files, in a session of this process or on a server."""

import pathlib

import numpy as np

from keras_resnets.serving.image_bytes import INVALID, OK

BATCH = 8


def predict_files(session, files, batch_size=BATCH, classes=None):
    """Yields a dict for each file, in their order: `file`, and the answer, or `error`.

    A classification net's answer is `labels`, `classes` and `probabilities` of the likeliest classes, a detector's
    `boxes` ([x1, y1, x2, y2] in pixels of the image), `labels`, `classes` and `scores`, best first; all lists. A
    localizer's is the same, in the order of the classes that it is asked for.

    Args:
        session: a `SavedModelSession`, `GrpcClient` or `RestClient` of either.
        files: paths of encoded images.
        batch_size: images of one request.
        classes: of a localizer: integers, the classes of the objects that are to be found on each image.
    """
    given = {} if classes is None else {"classes": np.int32([classes])}
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
        **{name: output[name][found].tolist() for name in ("classes", "scores", "boxes")},
    }
