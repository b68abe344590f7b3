"""The seconds that a detector takes for an image, split as the papers' tables are."""

import functools
import statistics

import numpy as np
import tensorflow as tf

from keras_resnets import RCNN, FasterRCNN
from keras_resnets.detection.fast_rcnn import given_proposals
from trainers.runtime.measuring import in_turns


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
        functions = _functions(model, parts, {name: tf.constant(value) for name, value in inputs.items()})
        if number == 0:
            in_turns(functions, 1)  # Traced before the clock starts.
        measured.append(in_turns(functions, repeats))
    seconds = {name: statistics.median(one[name] for one in measured) for name in parts}
    return {"proposals": 0.0, **seconds}


def _parts(model):
    """Returns the functions that are timed."""
    if isinstance(model, RCNN):

        def convolution(inputs, regions, exists):
            return model.pool_scales(model.features(inputs), regions)

        def classified(inputs, pooled, regions, exists):
            shapes = inputs["image_shapes"]
            return model.detections(*model.score_pooled(None, pooled, shapes), regions, exists, shapes)

        return {"convolution": convolution, "regions": classified}

    def detected(inputs, features, regions, exists):
        return model.detect(features, regions, exists, inputs["image_shapes"])

    parts = {"convolution": lambda inputs, regions, exists: model.features(inputs), "regions": detected}
    if isinstance(model, FasterRCNN):
        parts["proposals"] = model.proposals_in
    return parts


def _functions(model, parts, inputs):
    """Returns the timed functions with the arguments that an image gives them."""
    if "proposals" in parts:
        features, *regions = model.propose(inputs)
    else:
        regions = given_proposals(inputs)
        features = parts["convolution"](inputs, *regions)
    arguments = {
        "convolution": (inputs, *regions),
        "regions": (inputs, features, *regions),
        "proposals": (features, inputs["image_shapes"]),
    }
    return {name: functools.partial(part, *arguments[name]) for name, part in parts.items()}


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
