"""Says what is on images, and where, with an exported net or detector.

    python -m trainers.predict --export=saved_models/cifar_resnet20_digits image.png folder_of_images
    python -m trainers.predict --export=saved_models/faster_rcnn_digit_scenes --output=boxes folder_of_images
    python -m trainers.predict --export=/tmp/exports/localizer --classes=3,8 image.png
    python -m trainers.predict --server=localhost:8500 --model=resnet50 image.png

The export runs in a TensorFlow session, from its graph alone, as behind TensorFlow Serving; or it is a server that
answers.
"""

import json
import sys

from absl import flags

from keras_resnets import ArgumentError
from keras_resnets.serving import SavedModelSession
from keras_resnets.serving.client import CLIENTS
from keras_resnets.serving.files import predict_files
from trainers.flags import command
from trainers.plots.drawing import SHOWN_SCORE
from trainers.runtime.progress import Progress
from trainers.serving.predictions import draw, find_images, table


def _define_flags():
    flags.DEFINE_string("export", None, "A SavedModel of trainers.export, or the folder of its versions.")
    flags.DEFINE_string("server", None, "HOST:PORT of a server to ask, instead of running an export here.")
    flags.DEFINE_string("model", None, "What the server calls the export.")
    flags.DEFINE_integer("model_version", None, "Which version the server is asked for; default: the highest.")
    flags.DEFINE_enum("protocol", "grpc", list(CLIENTS), "How the server is asked.")
    flags.DEFINE_float("timeout", 60.0, "Seconds to wait for an answer of the server.", lower_bound=0)
    flags.DEFINE_list("classes", None, "Of a localizer: the numbers of the classes to find on each image, from 0 on.")
    flags.DEFINE_boolean(
        "folder_is_label", False, "Whether the table says which answers are the image's folder's name."
    )
    flags.DEFINE_string("output", None, "Folder for copies of the images with a detector's boxes and labels, as PNG.")
    flags.DEFINE_float("score", SHOWN_SCORE, "Of the detections that are shown, at least.", 0, 1)
    flags.DEFINE_boolean("json", False, "Whether to print a JSON list instead of a table.")


def _session():
    """Returns what answers: an export, or a client of a server."""
    options = flags.FLAGS
    if (options.export is None) == (options.server is None):
        raise ArgumentError("pass either --export=FOLDER or --server=HOST:PORT.")
    if options.export is not None:
        return SavedModelSession(options.export)
    if options.model is None:
        raise ArgumentError(f"--server={options.server} needs --model=NAME, what the server calls the export.")
    return CLIENTS[options.protocol](options.server, options.model, options.model_version, timeout=options.timeout)


def _classes():
    """Returns the value of --classes as a tuple, or None."""
    classes = command.numbers("classes", int)
    if classes is not None and not (classes and 0 <= min(classes) <= max(classes) < 2**31):
        raise ArgumentError(f"--classes={','.join(flags.FLAGS.classes)} must be numbers of classes, from 0 on.")
    return classes


def _check_inputs(session, classes):
    """Raises ArgumentError where an export must be given other inputs; a server tells that itself."""
    if not isinstance(session, SavedModelSession) or "image_bytes" not in session.signatures:
        return
    export, inputs = flags.FLAGS.export, session.signatures["image_bytes"].inputs
    if "proposals" in inputs:
        raise ArgumentError(f"--export={export} takes proposals, which need Python code: see SavedModelSession.")
    if "classes" in inputs and classes is None:
        raise ArgumentError(f"--export={export} finds objects of given classes: pass --classes=NUMBER,NUMBER,...")
    if "classes" not in inputs and classes is not None:
        raise ArgumentError(f"--classes is for localizers, and --export={export} is none: leave it out.")


def _check_flags(answer):
    """Raises ArgumentError for a flag of classification nets with a detector, or the other way round."""
    options = flags.FLAGS
    name = options.export or options.model
    if options.folder_is_label and "boxes" in answer:
        raise ArgumentError(f"--folder_is_label is for classification nets, and {name} detects objects.")
    if options.output is not None and "probabilities" in answer:
        raise ArgumentError(f"--output is for detectors, and {name} classifies: leave it out.")


def _problems(answers, classes):
    """Returns a list of what is wrong: files that are no images, and classes that the export does not seem to have."""
    answered = [answer for answer in answers if "error" not in answer]
    problems, failed = [], len(answers) - len(answered)
    if failed:
        problems.append(f"{failed} of {len(answers)} files could not be decoded")
    found = {number for answer in answered for number in answer["classes"]}
    missing = [str(number) for number in classes if number not in found]
    if answered and missing:
        problems.append(f"nothing came back for --classes={','.join(missing)}: leave out what the export does not have")
    return problems


def _main(arguments):
    options = flags.FLAGS
    files, classes = find_images(arguments), _classes()
    session, answers = _session(), []
    _check_inputs(session, classes)
    with Progress(len(files), "predicting", "images") as progress:
        for answer in predict_files(session, files, classes=classes):
            _check_flags(answer)
            answers.append(answer)
            progress.update(1)
    text = table(answers, options.folder_is_label, options.score)
    print(json.dumps(answers, indent=2) if options.json else "\n".join(text))
    if options.output is not None:
        paths = draw(answers, options.output, options.score)
        print(f"{len(paths)} images: {options.output}", file=sys.stderr)
    problems = _problems(answers, classes or ())
    if problems:
        sys.exit(f"error: {'; '.join(problems)}")


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags)


if __name__ == "__main__":
    run()
