"""Sizes of image files, and why some cannot be used. Each file is decoded once: a damaged one would end a training."""

import os
import pathlib
from collections.abc import Sequence

import tensorflow as tf

from keras_resnets.images import jpeg
from keras_resnets.images.formats import BMP, JPEG
from keras_resnets.images.inspection import DAMAGED, inspect
from keras_resnets.images.orientation import SIDEWAYS
from trainers.data.image_source import InspectedFile
from trainers.data.sources.problems import Problems
from trainers.data.tf_data_options import CORES, untuned
from trainers.runtime.progress import Progress

INSPECTED = 32  # files at once
MISSING = "it does not exist"


def image_sizes(files: Sequence[str | pathlib.Path], title: str) -> list[InspectedFile]:
    """Decodes all files, and returns an `InspectedFile` for each.

    Args:
        files: paths.
        title: of the progress on stderr.
    """
    found = {}
    paths = untuned(tf.data.Dataset.from_tensor_slices(tf.constant([_encoded(file) for file in files], tf.string)))
    contents = paths.enumerate().map(lambda index, path: (index, tf.io.read_file(path)), CORES).ignore_errors()
    decoded = contents.batch(INSPECTED).map(_inspected).unbatch().map(_decoded, CORES).ignore_errors()
    with Progress(len(files), title, unit="images") as progress:
        for index, reason, (height, width), format_, orientation, _ in decoded.as_numpy_iterator():
            if orientation >= SIDEWAYS:
                height, width = width, height
            file = InspectedFile(files[index], int(height), int(width), int(format_), int(orientation))
            found[index] = file if not reason else InspectedFile(files[index], reason=reason.decode())
            progress.update(1)
    return [found.get(index) or _unreadable(file) for index, file in enumerate(files)]


def say_common_files(
    train: Sequence[str | pathlib.Path], test: Sequence[str | pathlib.Path], problems: Problems
) -> None:
    """Says how many files to measure with are training images, too, also by links; copies are other files.

    Args:
        train: paths of the training images.
        test: paths of the images to measure with.
        problems: where it is said.
    """
    trained = set(map(os.path.realpath, train))
    common = sum(os.path.realpath(file) in trained for file in test)
    if common:
        problems.say(
            f"{common} of {len(test)} images to measure with are training images, too: figures will be too good"
        )


def _encoded(file):
    """Returns a path as the file system has it, b"" for one that it cannot have: a file of JSON may state it."""
    try:
        return os.fsencode(file)
    except UnicodeEncodeError:
        return b""


def _unreadable(file):
    """Returns what is said of a file that the data set of `image_sizes` leaves out."""
    return InspectedFile(file, reason=DAMAGED if pathlib.Path(file).is_file() else MISSING)


def _inspected(indices, contents):
    """Returns what files are, of a batch; in Python, since a graph of all formats would take seconds to build."""
    types = [tf.string, tf.int64, tf.int32, tf.int32]
    reasons, sizes, formats, orientations = tf.py_function(_reasons_and_sizes, [contents], types)
    for values in (reasons, formats, orientations):
        values.set_shape([None])
    sizes.set_shape([None, 2])
    return indices, contents, reasons, sizes, formats, orientations


def _reasons_and_sizes(contents):
    inspected = inspect(contents)
    return inspected.why_not, inspected.size, inspected.format, inspected.orientation


def _decoded(index, content, reason, size, format_, orientation):
    """Returns what is known of a file, and decodes it: a damaged one is an error."""
    size = tf.cast(size[::-1], tf.int32)

    def of_jpeg():
        # At an eighth of the size, the whole file is still read, and three times faster.
        return jpeg.shape(content), tf.shape(tf.io.decode_jpeg(content, channels=3, ratio=8))

    def of_other():
        return size, tf.shape(tf.io.decode_image(content, expand_animations=False))

    # Of bitmaps, TensorFlow decodes only some; the inspection has compared their length with their size.
    is_decoded = tf.equal(reason, "") & tf.not_equal(format_, BMP)
    cases = [(is_decoded & tf.equal(format_, JPEG), of_jpeg), (is_decoded, of_other)]
    shape, decoded = tf.case(cases, default=lambda: (size, tf.zeros([3], tf.int32)))
    # `decoded` is unused, but without it tf.data would skip the decoding.
    return index, reason, shape, format_, orientation, decoded
