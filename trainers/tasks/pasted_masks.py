"""Masks of detections in their images, as run lengths."""

import numpy as np
import tensorflow as tf

from keras_resnets.detection.mask_head import MASK_SIZE
from keras_resnets.ops.masks import paste_masks
from trainers.metrics.masks import encode

MOST_PIXELS = 2**26  # of all masks that are pasted at once, a byte each


def pasted_masks(masks: np.ndarray, boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns masks of boxes as masks of the image, (D,) of bytes: see `trainers.metrics.masks`.

    Args:
        masks: (D, 28, 28) float32, probabilities.
        boxes: (D, 4) float32, in pixels of the image.
        height, width: of the image, in pixels.
    """
    count = max(1, MOST_PIXELS // max(1, height * width))
    parts = [slice(start, start + count) for start in range(0, len(masks), count)]
    runs = [encode(_pasted(masks[part], boxes[part], height, width).numpy().swapaxes(1, 2)) for part in parts]
    return np.concatenate([np.empty(0, object), *runs])


@tf.function(
    input_signature=[
        tf.TensorSpec((None, MASK_SIZE, MASK_SIZE), tf.float32),
        tf.TensorSpec((None, 4), tf.float32),
        tf.TensorSpec((), tf.int32),
        tf.TensorSpec((), tf.int32),
    ]
)
def _pasted(masks, boxes, height, width):
    """Returns transposed masks, (D, W, H) uint8: of the masks themselves, run lengths count along the columns."""
    turned, turned_boxes = tf.transpose(masks, [0, 2, 1]), tf.gather(boxes, [1, 0, 3, 2], axis=1)
    return paste_masks(turned[tf.newaxis], turned_boxes[tf.newaxis], width, height)[0]
