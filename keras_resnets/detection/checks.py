"""Checks of what a model that learns from boxes is given: its arguments, its inputs and its targets."""

import contextlib
import numbers
import re
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from keras_resnets.normalization import check_channels

ASSERTION = "ArgumentError: "  # at the beginning of the message of an assertion in a graph


def check_arguments(
    num_classes: int, backbone: str | keras.Model, weights: str | None, normalization: Mapping[str, Any] | None
) -> None:
    """Raises ArgumentError for arguments of a model that cannot work: see `keras_resnets.FasterRCNN`."""
    if normalization is not None and not {"mean", "std"} <= set(normalization) <= {"mean", "std", "bgr"}:
        raise ArgumentError(f"normalization={normalization!r} must be a dict of mean and std, and optionally bgr.")
    if not isinstance(num_classes, numbers.Integral) or num_classes is True or num_classes < 1:
        raise ArgumentError(f"num_classes={num_classes!r} must be a positive integer (without the background).")
    if weights is not None and not isinstance(backbone, str):
        raise ArgumentError(f"weights={weights!r} are for a backbone given by its name: load them into the net.")


def check_inputs(inputs: Mapping[str, Any]) -> None:
    """Raises ArgumentError if a model's input is no dict with RGB images and their shapes."""
    if not isinstance(inputs, Mapping):
        is_array = hasattr(inputs, "shape")  # Keras makes its own tensors of arrays.
        given = f"an array of shape {tuple(inputs.shape)}" if is_array else f"a {type(inputs).__name__}"
        raise ArgumentError(f"inputs is {given}: pass a dict of images, (B, H, W, 3), and image_shapes, (B, 2).")
    for name, meaning in (
        ("images", "(B, H, W, 3) RGB, 0 to 255"),
        ("image_shapes", "(B, 2), height and width of each image on its canvas"),
    ):
        if name not in inputs:
            raise ArgumentError(f"inputs has {', '.join(inputs)}, but no {name}: pass {meaning}.")
    check_channels(inputs["images"])


def checked_targets(targets: Any, num_classes: int) -> dict[str, Any]:
    """Returns the targets of a batch, whose classes are checked when the graph runs.

    Args:
        targets: that `fit` was given.
        num_classes: of the model.

    Raises:
        ArgumentError: if they are no dict of boxes and classes. Classes outside of 0 .. K - 1 fail in the graph.
    """
    if not isinstance(targets, Mapping) or not {"boxes", "classes"} <= targets.keys():
        raise ArgumentError("the targets must be a dict of boxes, (B, G, 4), and classes, (B, G), padded with -1.")
    last = num_classes - 1
    message = (
        f"{ASSERTION}classes of the targets must be from 0 to {last} for num_classes={num_classes}, and -1 for "
        "padding: subtract 1 where they count from 1."
    )
    classes = tf.convert_to_tensor(targets["classes"])
    with tf.control_dependencies([tf.debugging.assert_less(classes, tf.cast(last + 1, classes.dtype), message)]):
        return {**targets, "classes": tf.identity(classes)}


@contextlib.contextmanager
def assertions_as_errors() -> Iterator[None]:
    """Turns a failed assertion of a training step, whose message has `ASSERTION`, into an ArgumentError."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = re.search(rf"{ASSERTION}([^\]\n]+)", error.message)
        if found is None:
            raise
        raise ArgumentError(found[1]) from error
