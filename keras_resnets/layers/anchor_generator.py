"""Anchors: boxes of fixed sizes and shapes around each cell of a map, from which region proposals start."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_resnets.deprecation import warn_of_old_name
from keras_resnets.errors import ArgumentError, check_choice
from keras_resnets.values import NON_NEGATIVE, POSITIVE

CAFFE_BASE = 16  # px, side of py-faster-rcnn's base anchor


@keras.saving.register_keras_serializable(package="keras_resnets")
class AnchorGenerator(keras.layers.Layer):
    """The anchors of a feature map (Faster R-CNN, arXiv 1506.01497, section 3.1.1).

    Inputs: features (B, H, W, C), and maybe the vertical and horizontal stride, if they are not `stride`. Output:
    (H * W * k, 4) float32, [x1, y1, x2, y2] in pixels of the image. Anchors may cross the border of the image. They are
    sorted by cell, then by ratio, then by size.

    Args:
        sizes: square roots of the areas, in pixels.
        ratios: heights divided by widths.
        stride: pixels of the image per cell of the map.
        offset: distance of the anchors' center from the cell's corner, in strides: 1/2 is the cell's center (Caffe's
            7.5, in inclusive pixels), 0 is the offset of torchvision and detectron2.
        rounding: None for exact areas; "corners" for corners around 0 that are rounded to pixels, as in torchvision;
            "sizes" for anchors of 16 px with rounded width and height, which are enlarged, as in py-faster-rcnn: with
            sizes 128, 256 and 512, these are its nine anchors.

    Raises:
        ArgumentError: (a ValueError) for sizes, ratios or a stride that are not positive, a negative offset, or an
            unknown rounding.
    """

    def __init__(
        self,
        sizes: Sequence[float] = (128, 256, 512),
        ratios: Sequence[float] = (0.5, 1, 2),
        stride: int = 16,
        offset: float = 0.5,
        rounding: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.sizes, self.ratios = tuple(sizes), tuple(ratios)
        self.stride, self.offset, self.rounding = stride, offset, rounding
        for name, values in (("sizes", self.sizes), ("ratios", self.ratios)):
            if not values or min(values) <= 0:
                raise ArgumentError(f"{name}={values} of anchors must be positive numbers.")
        POSITIVE.check("stride", stride)
        NON_NEGATIVE.check("offset", offset)
        check_choice("rounding", rounding, [None, "corners", "sizes"])

    @property
    def per_cell(self) -> int:
        """The number of anchors per cell."""
        return len(self.sizes) * len(self.ratios)

    def cell_anchors(self) -> np.ndarray:
        """Returns the anchors of one cell, (k, 4) float32, with their center at 0."""
        ratios, sizes = np.meshgrid(self.ratios, self.sizes, indexing="ij")
        if self.rounding == "sizes":
            widths = np.round(np.sqrt(CAFFE_BASE**2 / ratios))
            heights = np.round(widths * ratios)
            widths, heights = (side * sizes / CAFFE_BASE for side in (widths, heights))
        else:
            widths, heights = sizes / np.sqrt(ratios), sizes * np.sqrt(ratios)
        anchors = np.stack([-widths, -heights, widths, heights], axis=-1).reshape(-1, 4) / 2
        return (np.round(anchors) if self.rounding == "corners" else anchors).astype(np.float32)

    def around_zero(self) -> np.ndarray:
        """The old name of `cell_anchors`, for one release."""
        warn_of_old_name("around_zero", "cell_anchors")
        return self.cell_anchors()

    def call(self, features, strides=None):
        # With a static height and width, the number of anchors is static.
        sizes = (features.shape[axis] or tf.shape(features)[axis] for axis in (1, 2))
        rows, columns = (
            (tf.range(size, dtype=tf.float32) + self.offset) * stride
            for size, stride in zip(sizes, strides or (self.stride, self.stride))
        )
        x, y = tf.meshgrid(columns, rows)
        centers = tf.stack([x, y, x, y], axis=-1)[:, :, tf.newaxis]
        return tf.reshape(centers + self.cell_anchors(), [-1, 4])

    def get_config(self):
        names = ["sizes", "ratios", "stride", "offset", "rounding"]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
