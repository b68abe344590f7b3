"""What is said before a training about the objects that the anchors of its detector reach."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_resnets.detection.resizing import Resizing, from_original
from trainers.data.split import Split, sample
from trainers.data.tf_data_options import CORES
from trainers.metrics.anchor_reach import anchor_reach, best_ious, doubling_sizes, in_words, inside, suggested_sizes

IMAGES = 200  # of the training split that are looked at
ENOUGH = 0.9  # share of the objects reached with an IoU of 0.5, with which nothing is suggested


def anchors_of(model: keras.Model, canvas: tuple[int, int]) -> np.ndarray:
    """Returns the anchors of a detector, (A, 4) float32, on a canvas of this height and width, in pixels."""

    @tf.function
    def anchors():
        images, shapes = tf.zeros([1, *canvas, 3]), tf.constant([canvas])
        features = model.features({"images": images, "image_shapes": shapes})
        return tf.concat(tf.nest.flatten(model.anchors(features[model.options.scales.index(1)])), axis=0)

    # Anchors depend on the shape of the features only: TensorFlow does not compute these.
    return anchors().numpy()


def anchor_report(
    split: Split,
    resizing: Resizing,
    anchors: np.ndarray,
    sizes: Sequence[float],
    cross_boundary: bool,
    one_a_level: bool = False,
) -> tuple[dict[str, Any], list[str]]:
    """Finds out how many objects the anchors reach that take part in training.

    It looks at some images, as `resizing` resizes them, without their augmentation. No image is decoded, except where
    its size is not known and is not in the head of its file.

    Args:
        split: the training split.
        resizing: of the images.
        anchors: (A, 4), on the canvas.
        sizes: of the anchors; not more are suggested.
        cross_boundary: whether anchors take part that cross the border of an image.
        one_a_level: whether each level of a pyramid has one of the sizes.

    Returns:
        A dict that JSON can hold: the result of `anchor_reach`, `images`, `images_without_anchors`, and `suggestion`,
        flags or None. And the same in words, lines of text.
    """
    chosen = sample(split, IMAGES)
    boxes, shapes, owners = _objects(chosen, resizing)
    of_inside, of_all = best_ious(boxes, shapes[owners], anchors)
    different, numbers = np.unique(shapes, axis=0, return_inverse=True)
    has_anchors = np.array([cross_boundary or inside(anchors, shape).any() for shape in different])[numbers]
    report = {
        "images": chosen.size,
        "images_without_anchors": int(np.sum(~has_anchors)),
        **anchor_reach(boxes, of_all if cross_boundary else of_inside),
        "suggestion": _suggestion(boxes, of_inside, of_all, sizes, cross_boundary, one_a_level),
    }
    return report, _lines(report, split)


def _objects(split, resizing):
    """Returns the objects that are trained on, of all images.

    They are boxes (n, 4) float32, in pixels of resized images; height and width (m, 2) of these images, float32; and
    the image of each object, (n,) integers.
    """

    def load(key):
        example = split.load(key)
        shape = example["image"].shape()
        _, scale = resizing.resize(tf.zeros([shape[0], shape[1], 1]))  # Without its result, no image is resized.
        boxes = tf.boolean_mask(example["boxes"], ~example["ignored"])
        return from_original(boxes, scale), tf.round(tf.cast(shape, tf.float32) * scale)

    boxes, shapes = zip(*split.keys(None).map(load, CORES).as_numpy_iterator())
    owners = np.repeat(np.arange(len(boxes)), [len(rows) for rows in boxes])
    return np.concatenate(boxes), np.stack(shapes), owners


def _suggestion(boxes, of_inside, of_all, sizes, cross_boundary, one_a_level):
    def are_enough(best):
        return not len(best) or np.mean(best >= 0.5) >= ENOUGH

    if are_enough(of_all if cross_boundary else of_inside):
        return None
    if not cross_boundary and are_enough(of_all):
        return "--cross_boundary_anchors"
    suggested = (doubling_sizes if one_a_level else suggested_sizes)(boxes, len(sizes))
    return None if suggested == sorted(sizes) else f"--anchor_sizes={','.join(map(str, suggested))}"


def _lines(report, split):
    images = f"{report['images']:,} of {split.size:,} training images"
    lines = in_words(report, images) if report["objects"] else [f"there is no object to train on in {images}"]
    if report["images_without_anchors"]:
        lines.append(
            f"no anchor takes part in training in {report['images_without_anchors']:,} of {report['images']:,} images: "
            "all cross the border"
        )
    return lines + [f"suggestion: {report['suggestion']}"] * (report["suggestion"] is not None)
