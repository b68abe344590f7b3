"""Writing a net as a SavedModel that answers for images of any size, preprocessing inside."""

import os
import pathlib
import shutil

import keras
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from keras_resnets.preprocessing import decode
from keras_resnets.serving.versions import next_version

TOP = 5


def export_classifier(model, preprocessing, labels, base, version=None):
    """Exports a classification net for TensorFlow Serving.

    The SavedModel has two signatures:

    - `serving_default` takes `images`, (B, H, W, 3) uint8 RGB, images of any one size;
    - `image_bytes` takes `image_bytes`, (B,) strings: JPEG, PNG, BMP or GIF files, of different sizes.

    Both return `probabilities` (B, classes) float32, and the five likeliest classes, best first, as `classes` (B, 5)
    int32 and `labels` (B, 5) strings; nets of fewer classes return them all.

    The folder appears under its final name only when it is complete, as TensorFlow Serving needs.

    Args:
        model: a built net whose output (B, classes) is probabilities.
        preprocessing: the `keras_resnets.preprocessing.Preprocessing` that the net was trained with.
        labels: the classes' names.
        base: the folder of all versions.
        version: positive integer, by default the next free one.

    Returns:
        The path of the version's folder.

    Raises:
        ArgumentError: (a ValueError) if the version exists, or the labels are not the net's.
    """
    base = pathlib.Path(base)
    version = next_version(base) if version is None else version
    target = base / str(version)
    if version < 1 or target.exists():
        raise ArgumentError(f"version={version} cannot be written: {target} exists, or is not positive.")
    if model.output_shape != (None, len(labels)):
        raise ArgumentError(f"labels has {len(labels)} names for a model whose output is {model.output_shape}.")
    partial = base / f".partial-{version}-{os.getpid()}"
    base.mkdir(parents=True, exist_ok=True)
    try:
        _archive(model, preprocessing, labels).write_out(str(partial), verbose=False)
        os.rename(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _archive(model, preprocessing, labels):
    def answer(images):
        probabilities = tf.cast(model(images, training=False), tf.float32)
        _, classes = tf.math.top_k(probabilities, min(TOP, len(labels)))
        return {"probabilities": probabilities, "classes": classes, "labels": tf.gather(tf.constant(labels), classes)}

    def serve_images(images):
        return answer(preprocessing(images))

    def serve_bytes(image_bytes):
        size = preprocessing.size
        return answer(
            tf.map_fn(
                lambda encoded: preprocessing(decode(encoded)),
                image_bytes,
                fn_output_signature=tf.TensorSpec((size, size, 3), tf.float32),
            )
        )

    # Not archive.track(model): the endpoints' variables are tracked anyway, and would be written twice.
    archive = keras.export.ExportArchive()
    archive.add_endpoint(
        "serving_default", serve_images, [tf.TensorSpec((None, None, None, 3), tf.uint8, name="images")]
    )
    archive.add_endpoint("image_bytes", serve_bytes, [tf.TensorSpec((None,), tf.string, name="image_bytes")])
    return archive
