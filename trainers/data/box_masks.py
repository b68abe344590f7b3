"""Masks of objects in their boxes, as detectors learn from them, from COCO's run lengths."""

import numpy as np
import tensorflow as tf
from PIL import Image

from trainers.metrics.masks import decode

# Cells on each side, twice those of Mask R-CNN's. A cell has the share of it that the object fills, so that thin
# objects are not lost, and the head's target, a mean over cells, does not depend much on their number.
SIZE = 56


def box_masks(runs: tf.Tensor, boxes: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Returns the masks of an image's objects in their boxes, (n, 56, 56) float16, 0..1.

    Each image needs a few milliseconds, in Python: run lengths of a whole data set need a tenth of the memory.

    Args:
        runs: (n,) strings: see `trainers.metrics.masks`.
        boxes: (n, 4) float32, [x1, y1, x2, y2] in pixels, inside of the image.
        shape: height and width of the image, (2,) int32.
    """
    masks = tf.numpy_function(_box_masks, [runs, boxes, shape], tf.float16, stateful=False)
    return tf.ensure_shape(masks, [boxes.shape[0], SIZE, SIZE])


def _box_masks(runs, boxes, shape):
    masks = np.empty((len(runs), SIZE, SIZE), np.float16)
    for i, (one, box) in enumerate(zip(runs, boxes)):
        left, top = np.floor(box[:2]).astype(int)
        right, bottom = np.ceil(box[2:]).astype(int)
        pixels = np.ascontiguousarray(decode(one, *shape.tolist())[top:bottom, left:right])
        inside = (box - [left, top, left, top]).tolist()
        filled = Image.fromarray(255 * pixels).resize((SIZE, SIZE), Image.Resampling.BOX, inside)
        masks[i] = np.asarray(filled, np.float16) / 255
    return masks
