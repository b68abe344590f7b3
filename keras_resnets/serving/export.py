"""Writing a net as a SavedModel that answers for images of any size, preprocessing inside."""

import os
import pathlib
import shutil

import keras
import tensorflow as tf

from keras_resnets.detection.resizing import to_original
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
    if model.output_shape != (None, len(labels)):
        raise ArgumentError(f"labels has {len(labels)} names for a model whose output is {model.output_shape}.")

    def answer(images):
        probabilities = tf.cast(model(images, training=False), tf.float32)
        _, classes = tf.math.top_k(probabilities, min(TOP, len(labels)))
        return {"probabilities": probabilities, "classes": classes, "labels": tf.gather(tf.constant(labels), classes)}

    def serve_bytes(image_bytes):
        spec = tf.TensorSpec((preprocessing.size, preprocessing.size, 3), tf.float32)
        decoded = tf.map_fn(lambda encoded: preprocessing(decode(encoded)), image_bytes, fn_output_signature=spec)
        return answer(decoded)

    return _write(_archive(lambda images: answer(preprocessing(images)), serve_bytes), base, version)


def export_detector(model, resizing, labels, base, version=None):
    """Exports a detector for TensorFlow Serving, with the signatures and in the way of `export_classifier`.

    Both signatures return, padded to D detections of an image, best first: `boxes` (B, D, 4) float32, [x1, y1, x2, y2]
    in pixels of the image that was sent, `scores` (B, D) float32, `classes` (B, D) int32, -1 for padding, `labels`
    (B, D) strings, empty for padding, and `num_detections` (B,) int32.

    Args:
        model: a `keras_resnets.FasterRCNN`.
        resizing: the `keras_resnets.detection.resizing.Resizing` that it was trained with.
        labels: the classes' names.
        base, version: as in `export_classifier`.

    Returns, Raises:
        As `export_classifier`.
    """
    if model.num_classes != len(labels):
        raise ArgumentError(f"labels has {len(labels)} names for a model of {model.num_classes} classes.")
    spec = (
        tf.TensorSpec((*resizing.canvas, 3), tf.float32),
        tf.TensorSpec((2,), tf.int32),
        tf.TensorSpec((2,), tf.float32),
    )

    def prepare(image):
        resized, scale = resizing.resize(image)
        return *resizing.pad(resized), scale

    def answer(images, shapes, scales):
        found = model({"images": images, "image_shapes": shapes})
        names = tf.gather(tf.constant(["", *labels]), found["classes"] + 1)
        return {**found, "boxes": to_original(found["boxes"], scales), "labels": names}

    def serve_images(images):
        return answer(*tf.map_fn(prepare, images, fn_output_signature=spec))

    def serve_bytes(image_bytes):
        return answer(*tf.map_fn(lambda encoded: prepare(decode(encoded)), image_bytes, fn_output_signature=spec))

    return _write(_archive(serve_images, serve_bytes), base, version)


def _write(archive, base, version):
    """Writes an archive into the folder of its version, which appears only when it is complete."""
    base = pathlib.Path(base)
    version = next_version(base) if version is None else version
    target = base / str(version)
    if version < 1 or target.exists():
        raise ArgumentError(f"version={version} cannot be written: {target} exists, or is not positive.")
    partial = base / f".partial-{version}-{os.getpid()}"
    base.mkdir(parents=True, exist_ok=True)
    try:
        archive.write_out(str(partial), verbose=False)
        os.rename(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _archive(serve_images, serve_bytes):
    # Not archive.track(model): the endpoints' variables are tracked anyway, and would be written twice.
    archive = keras.export.ExportArchive()
    archive.add_endpoint(
        "serving_default", serve_images, [tf.TensorSpec((None, None, None, 3), tf.uint8, name="images")]
    )
    archive.add_endpoint("image_bytes", serve_bytes, [tf.TensorSpec((None,), tf.string, name="image_bytes")])
    return archive
