"""The seconds that a detector takes for an image, split as the papers' tables are."""

import functools
import statistics

import numpy as np
import tensorflow as tf

from keras_resnets import RCNN, FasterRCNN
from keras_resnets.detection.fast_rcnn import given_proposals
from trainers.measuring import in_turns


def split_seconds(model, images, repeats):
    """Returns the median seconds of `convolution`, `proposals` and `regions` of an image.

    The convolution is all that the trunk does: for R-CNN, on every warped region. Proposals that a detector is given
    take no time here. Regions are pooled, classified, and what is left of them is found.

    Args:
        model: a detector.
        images: list of its inputs, of one image each and of the same shapes.
        repeats: how many times each is measured.
    """
    parts = {name: tf.function(part) for name, part in _parts(model).items()}
    measured = []
    for number, inputs in enumerate(images):
        inputs = {name: tf.constant(value) for name, value in inputs.items()}
        functions = {name: functools.partial(part, inputs) for name, part in parts.items()}
        if number == 0:
            in_turns(functions, 1)  # Traced before the clock starts.
        measured.append(in_turns(functions, repeats))
    seconds = {name: statistics.median(one[name] for one in measured) for name in parts}
    proposed = seconds.get("proposed", seconds["convolved"])
    return {
        "convolution": seconds["convolved"],
        "proposals": max(0.0, proposed - seconds["convolved"]),
        "regions": max(0.0, seconds["detected"] - proposed),
    }


def _parts(model):
    """Returns functions of the inputs, each of which does what the one before does, and more."""
    if isinstance(model, RCNN):

        def convolved(inputs):
            return model.pool_scales(model.features(inputs), given_proposals(inputs)[0])
    else:
        convolved = model.features
    parts = {"convolved": convolved, "detected": model}
    if isinstance(model, FasterRCNN):
        parts["proposed"] = model.propose
    return parts


def noise_inputs(height, width, proposals=None, seed=0):
    """Returns the inputs of a detector for an image of noise, with so many random regions of 16 pixels and more."""
    random = np.random.default_rng(seed)
    images = random.uniform(0, 255, (1, height, width, 3)).astype(np.float32)
    inputs = {"images": images, "image_shapes": np.int32([[height, width]])}
    if proposals is not None:
        size = np.float32([width, height])
        sides = np.exp(random.uniform(np.log(16), np.log(size), (proposals, 2)))
        corners = random.uniform(size=(proposals, 2)) * (size - sides)
        inputs["proposals"] = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)[np.newaxis]
    return inputs
