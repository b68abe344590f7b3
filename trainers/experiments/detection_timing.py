"""Inference time of a detector per image, in the parts that the papers' tables have."""

import functools
import statistics

import numpy as np
import tensorflow as tf

from keras_resnets.detection.fast_rcnn import given_proposals
from keras_resnets.detection.region_detector import RegionDetector
from trainers.runtime.measuring import in_turns


def split_seconds(model: RegionDetector, images: list[dict], repeats: int) -> dict[str, float]:
    """Measures the parts of a detector's inference.

    Args:
        model: a detector.
        images: inputs of the detector, one image each, all of the same shapes.
        repeats: number of measurements of each image.

    Returns:
        Median seconds per image: `convolution`, the trunk, which R-CNN applies to every warped region; `proposals`,
        0 if they are inputs; `regions`, their pooling, classification and non-maximum suppression.
    """
    finds_proposals = "proposals" not in images[0]
    parts = {name: tf.function(part) for name, part in _parts(model, finds_proposals).items()}
    measured = []
    for number, inputs in enumerate(images):
        functions = _functions(model, parts, {name: tf.constant(value) for name, value in inputs.items()})
        if number == 0:
            in_turns(functions, 1)  # traces the functions
        measured.append(in_turns(functions, repeats))
    seconds = {name: statistics.median(one[name] for one in measured) for name in parts}
    return {"proposals": 0.0, **seconds}


def _parts(model, finds_proposals):
    """Returns the functions to time, by the names of the parts."""
    if model.trunk_sees_regions:

        def convolution(inputs, regions, exists):
            return model.pool_scales(model.features(inputs), regions)

        def classified(inputs, pooled, regions, exists):
            shapes = inputs["image_shapes"]
            return model.detections(*model.score_pooled(None, pooled, shapes), regions, exists, shapes)

        return {"convolution": convolution, "regions": classified}

    def detected(inputs, features, regions, exists):
        return model.detect(features, regions, exists, inputs["image_shapes"])

    parts = {"convolution": lambda inputs, regions, exists: model.features(inputs), "regions": detected}
    if finds_proposals:
        parts["proposals"] = model.proposals_in
    return parts


def _functions(model, parts, inputs):
    """Returns the functions to time, bound to their arguments for an image."""
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


def noise_inputs(height: int, width: int, proposals: int | None = None, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns the inputs of a detector for an image of noise.

    Args:
        height, width: size of the image in pixels.
        proposals: number of random proposals, at least 16 pixels long; None for a detector that finds its own.
        seed: of the random numbers.

    Returns:
        A dict of `images` (1, height, width, 3) float32 from 0 to 255, `image_shapes` (1, 2) int32 and, unless None,
        `proposals` (1, proposals, 4) float32, [x1, y1, x2, y2] in pixels.
    """
    random = np.random.default_rng(seed)
    images = random.uniform(0, 255, (1, height, width, 3)).astype(np.float32)
    inputs = {"images": images, "image_shapes": np.int32([[height, width]])}
    if proposals is not None:
        size = np.float32([width, height])
        sides = np.exp(random.uniform(np.log(16), np.log(size), (proposals, 2)))
        corners = random.uniform(size=(proposals, 2)) * (size - sides)
        inputs["proposals"] = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)[np.newaxis]
    return inputs
