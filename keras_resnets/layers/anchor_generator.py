"""Anchors: the boxes of fixed sizes and shapes around every cell of a map, which region proposals start from."""

import keras
import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError

CAFFE_BASE = 16  # px, the side of py-faster-rcnn's base anchor


@keras.saving.register_keras_serializable(package="keras_resnets")
class AnchorGenerator(keras.layers.Layer):
    """The anchors of a feature map (Faster R-CNN, arXiv 1506.01497, section 3.1.1).

    Input: features (B, H, W, C). Output: (H * W * k, 4) float32, [x1, y1, x2, y2] in pixels of the image, which anchors
    may cross; those of a cell follow each other, ratios outside, sizes inside.

    Args:
        sizes: square roots of the areas, in pixels.
        ratios: heights divided by widths.
        stride: pixels of the image for one cell of the map.
        offset: where a cell's anchors have their centre, in strides from its corner: 1/2 is the cell's own centre
            (Caffe's 7.5 of inclusive pixels), 0 is what torchvision and detectron2 do.
        rounding: None for exact areas, "corners" for corners around 0 rounded to pixels (torchvision), or "sizes" for
            the rounded width and height of an anchor of 16 px, enlarged (py-faster-rcnn; sizes 128, 256 and 512 then
            give its nine anchors).

    Raises:
        ArgumentError: (a ValueError) for sizes or ratios that are not positive, or an unknown rounding.
    """

    def __init__(self, sizes=(128, 256, 512), ratios=(0.5, 1, 2), stride=16, offset=0.5, rounding=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.sizes, self.ratios = tuple(sizes), tuple(ratios)
        self.stride, self.offset, self.rounding = stride, offset, rounding
        for name, values in (("sizes", self.sizes), ("ratios", self.ratios)):
            if not values or min(values) <= 0:
                raise ArgumentError(f"{name}={values} of anchors must be positive numbers.")
        if rounding not in (None, "corners", "sizes"):
            raise ArgumentError(f"rounding={rounding!r} of anchors is unknown: use None, 'corners' or 'sizes'.")

    @property
    def per_cell(self):
        """The number of anchors of a cell."""
        return len(self.sizes) * len(self.ratios)

    def around_zero(self):
        """Returns the anchors of one cell, (k, 4) float32, with their centre at 0."""
        ratios, sizes = np.meshgrid(self.ratios, self.sizes, indexing="ij")
        if self.rounding == "sizes":
            widths = np.round(np.sqrt(CAFFE_BASE**2 / ratios))
            heights = np.round(widths * ratios)
            widths, heights = (side * sizes / CAFFE_BASE for side in (widths, heights))
        else:
            widths, heights = sizes / np.sqrt(ratios), sizes * np.sqrt(ratios)
        anchors = np.stack([-widths, -heights, widths, heights], axis=-1).reshape(-1, 4) / 2
        return (np.round(anchors) if self.rounding == "corners" else anchors).astype(np.float32)

    def call(self, features):
        # Sizes that are known make the number of anchors known, whatever the batch.
        sizes = (features.shape[axis] or tf.shape(features)[axis] for axis in (1, 2))
        rows, columns = ((tf.range(size, dtype=tf.float32) + self.offset) * self.stride for size in sizes)
        x, y = tf.meshgrid(columns, rows)
        centers = tf.stack([x, y, x, y], axis=-1)[:, :, tf.newaxis]
        return tf.reshape(centers + self.around_zero(), [-1, 4])

    def get_config(self):
        names = ["sizes", "ratios", "stride", "offset", "rounding"]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
