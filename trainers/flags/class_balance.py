"""Flags about classes with unequal numbers of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from absl import flags

from keras_resnets.errors import ArgumentError
from trainers.flags import command
from trainers.runtime.choices import BALANCED, SAMPLINGS

if TYPE_CHECKING:
    from trainers.data.classification_dataset import ImageDataset

LARGEST_WEIGHT = 1e6  # which float32 can still add to a weight of 1


def define_flags() -> None:
    """Defines --class_weights and --sampling."""
    flags.DEFINE_list(
        "class_weights",
        None,
        f"Weights of the classes in the loss, e.g. sick=5,healthy=1, or {BALANCED}: in inverse proportion to their "
        "training images. Only the proportions count: the mean over the training images is made 1. Default: 1 each.",
    )
    flags.DEFINE_enum(
        "sampling",
        SAMPLINGS[0],
        list(SAMPLINGS),
        f"Training images of an epoch: uniform: each image once; {BALANCED}: as many of each class, so that those of "
        "small classes come several times.",
    )


def choices_from_flags() -> dict[str, Any]:
    """Returns the arguments `class_weights` and `sampling` of `trainers.tasks.classification.configure`.

    Raises:
        ArgumentError: if --class_weights is neither "balanced" nor a list of NAME=NUMBER.
    """
    weights = flags.FLAGS.class_weights or None
    if weights == [BALANCED]:
        weights = BALANCED
    elif weights is not None:
        weights = command.named_numbers("class_weights", float, f"sick=5,healthy=1, or {BALANCED}")
        if max(weights.values()) > LARGEST_WEIGHT:
            given = ",".join(flags.FLAGS.class_weights)
            raise ArgumentError(f"--class_weights={given}: only proportions count, pass at most {LARGEST_WEIGHT:g}.")
    return {"class_weights": weights, "sampling": flags.FLAGS.sampling}


def sampled(dataset: ImageDataset) -> ImageDataset:
    """Returns a data set whose training split is drawn as --sampling says.

    Raises:
        ArgumentError: if the training images cannot be drawn so.
    """
    from trainers.data.class_balance import balanced

    return balanced(dataset) if flags.FLAGS.sampling == BALANCED else dataset
