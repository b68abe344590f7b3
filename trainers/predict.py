"""Says what is on images, with an exported net.

    python -m trainers.predict --export=saved_models/cifar_resnet20_digits image.png folder_of_images

The export runs in a TensorFlow session, from its graph alone, as behind TensorFlow Serving.
"""

import json
import pathlib
import sys

import tensorflow as tf
from absl import flags

from keras_resnets import ArgumentError
from keras_resnets.serving import SavedModelSession
from trainers import cli
from trainers.data.folder import image_files

BATCH = 32


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


def predict(session, files):
    """Yields a dict for each file: `file`, and `labels` and `probabilities` of the likeliest classes, or `error`.

    Args:
        session: a `SavedModelSession` of a classification net.
        files: paths of encoded images.
    """
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        try:
            yield from _answers(session, batch)
        except tf.errors.InvalidArgumentError:
            # One bad image fails its batch: find it.
            for file in batch:
                try:
                    yield from _answers(session, [file])
                except tf.errors.InvalidArgumentError:
                    yield {"file": str(file), "error": "it cannot be decoded as JPEG, PNG, BMP or GIF"}


def _answers(session, files):
    outputs = session("image_bytes", image_bytes=[file.read_bytes() for file in files])
    for i, file in enumerate(files):
        classes = outputs["classes"][i]
        yield {
            "file": str(file),
            "labels": [label.decode() for label in outputs["labels"][i]],
            "classes": classes.tolist(),
            "probabilities": outputs["probabilities"][i][classes].tolist(),
        }


def table(answers, folder_is_label=False):
    """Returns the answers as lines of text.

    Args:
        answers: as `predict` yields them.
        folder_is_label: whether to say if each answer is the name of the image's folder, as in the data sets
            `folder:`, and to count those that are, in a last line.
    """
    width = max(len(answer["file"]) for answer in answers)
    lines, right = [], 0
    for answer in answers:
        line = f"{answer['file']:{width}}  "
        if "error" in answer:
            lines.append(line + answer["error"])
            continue
        top = [f"{label} {share:6.2%}" for label, share in zip(answer["labels"][:3], answer["probabilities"])]
        if folder_is_label:
            is_right = answer["labels"][0] == pathlib.Path(answer["file"]).parent.name
            right += is_right
            line += "right  " if is_right else "WRONG  "
        lines.append(line + "  ".join(top))
    return lines + ([f"{right} of {len(answers)} right"] if folder_is_label else [])


def _define_flags():
    flags.DEFINE_string(
        "export", None, "A SavedModel of trainers.export, or the folder of its versions.", required=True
    )
    flags.DEFINE_boolean(
        "folder_is_label", False, "Whether the table says which answers are the image's folder's name."
    )
    flags.DEFINE_boolean("json", False, "Whether to print a JSON list instead of a table.")


def _main(arguments):
    options = flags.FLAGS
    files = find_images(arguments)
    answers = list(predict(SavedModelSession(options.export), files))
    print(json.dumps(answers, indent=2) if options.json else "\n".join(table(answers, options.folder_is_label)))
    failed = sum("error" in answer for answer in answers)
    if failed:
        sys.exit(f"error: {failed} of {len(answers)} files could not be decoded")


def run():
    """Entry point of the command."""
    cli.run(_main, _define_flags)


if __name__ == "__main__":
    run()
