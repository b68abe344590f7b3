"""Classifies images, or finds objects on them, with an export or a server.

    python -m trainers.predict --export=saved_models/cifar_resnet20_digits image.png folder_of_images
    python -m trainers.predict --export=saved_models/faster_rcnn_digit_scenes --output=boxes folder_of_images
    python -m trainers.predict --export=/tmp/exports/localizer --classes=3,8 image.png
    python -m trainers.predict --detector=faster_rcnn_resnet50_fpn_v2 --output=boxes photo.jpg
    python -m trainers.predict --server=localhost:8500 --model=resnet50 image.png

The export runs in a TensorFlow session, from its graph alone, as behind TensorFlow Serving; or a server answers. A
published detector needs no export: it finds the 80 classes of COCO, or those of the file of --weights.
"""

import functools
import json
import sys

from absl import flags

from keras_resnets.errors import ArgumentError, check_folder
from keras_resnets.serving.client import CLIENTS
from keras_resnets.serving.versions import resolve
from trainers.data.image_files import find_images
from trainers.flags import command
from trainers.runtime.choices import SHOWN_SCORE

_images = functools.cache(find_images)  # What it says, it says once.


def _define_flags():
    flags.DEFINE_string("export", None, "A SavedModel of trainers.export, or the folder of its versions.")
    command.define_published_detector("--export")
    flags.DEFINE_string("server", None, "HOST:PORT of a server, instead of --export.")
    flags.DEFINE_string("model", None, "Name of the export on the server.")
    flags.DEFINE_integer("model_version", None, "Version of the export on the server; default: the highest.")
    flags.DEFINE_enum("protocol", "grpc", list(CLIENTS), "Protocol of the server.")
    flags.DEFINE_float("timeout", 60.0, "Seconds to wait for an answer of the server.", lower_bound=0)
    flags.DEFINE_list(
        "classes",
        None,
        "For a localizer: numbers of the classes to find on each image, from 0 on, e.g. 3,8.",
    )
    flags.DEFINE_boolean(
        "folder_is_label", False, "Whether the table marks the answers that are the name of the image's folder."
    )
    flags.DEFINE_string("output", None, "Folder for copies of the images with a detector's boxes and labels, as PNG.")
    flags.DEFINE_float("score", SHOWN_SCORE, "Lowest score of the detections that are shown.", 0, 1)
    flags.DEFINE_boolean("json", False, "Whether to print a JSON list instead of a table.")


def _check(*paths):
    options = flags.FLAGS
    if options.output is not None:
        check_folder("--output", options.output)
    _images(paths)
    _classes()
    command.check_published_detector()
    if sum(one is not None for one in (options.export, options.server, options.detector)) != 1:
        raise ArgumentError("pass either --export=FOLDER, --detector=NAME or --server=HOST:PORT.")
    if options.detector is not None and options.classes is not None:
        raise ArgumentError(f"--classes is for localizers, and --detector={options.detector} is none: leave it out.")
    if options.export is not None:
        resolve(options.export)
    if options.server is not None and options.model is None:
        raise ArgumentError(f"--server={options.server} needs --model=NAME, the name of the export on the server.")


def _main(*paths):
    from trainers.serving import predictions

    options = flags.FLAGS
    files, classes = _images(paths), _classes()
    if options.export is not None:
        session = predictions.open_export(options.export, classes)
    elif options.detector is not None:
        epsilon = options.frozen_batch_norm_epsilon
        session = predictions.open_detector(options.detector, options.weights, files, frozen_batch_norm_epsilon=epsilon)
    else:
        client = CLIENTS[options.protocol]
        session = client(options.server, options.model, options.model_version, timeout=options.timeout)
    name = options.export or options.detector or options.model
    answers = predictions.predict(session, files, classes, lambda answer: _check_flags(name, answer))
    text = predictions.table(answers, options.folder_is_label, options.score)
    print(json.dumps(answers, indent=2) if options.json else "\n".join(text))
    note = predictions.limit_note(session, answers, options.score) if options.export is not None else None
    if note:
        print(note, file=sys.stderr)
    if options.output is not None:
        paths = predictions.draw(answers, options.output, options.score)
        print(f"{len(paths)} images: {options.output}", file=sys.stderr)
    failed = sum("error" in answer for answer in answers)
    if failed:
        sys.exit(f"error: {failed} of {len(answers)} files could not be decoded")


def _classes():
    """Returns the value of --classes as a tuple, or None."""
    classes = command.numbers("classes", int)
    if classes is not None and not (classes and 0 <= min(classes) <= max(classes) < 2**31):
        raise ArgumentError(f"--classes={','.join(flags.FLAGS.classes)} must be numbers of classes, from 0 on.")
    return classes


def _check_flags(name, answer):
    """Raises ArgumentError for a flag of classification nets with a detector's answer, or the other way round."""
    if flags.FLAGS.folder_is_label and "boxes" in answer:
        raise ArgumentError(f"--folder_is_label is for classification nets, and {name} detects objects: leave it out.")
    if flags.FLAGS.output is not None and "probabilities" in answer:
        raise ArgumentError(f"--output is for detectors, and {name} classifies: leave it out.")


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags, _check, takes_arguments=True)


if __name__ == "__main__":
    run()
