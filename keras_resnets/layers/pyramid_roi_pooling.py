"""Region features of a feature pyramid, by maxima."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.layers.pyramid_layer import PyramidLayer
from keras_resnets.layers.roi_pooling import RoIPooling


@keras.saving.register_keras_serializable(package="keras_resnets")
class PyramidRoIPooling(PyramidLayer):
    """`RoIPooling` of each region at the level of a pyramid that suits its size (FPN, arXiv 1612.03144, section 4.2).

    Every region is pooled at all levels, so the work and the memory grow with their number: use `PyramidRoIAlign` for
    large images. Coordinates get no gradient.

    Inputs, output, arguments, errors: see `keras_resnets.layers.pyramid_layer.PyramidLayer`.
    """

    def __init__(
        self, pool_size: int, strides: Sequence[int] = (4, 8, 16, 32), canonical_size: float = 224.0, **kwargs: Any
    ):
        super().__init__(pool_size, strides, canonical_size, **kwargs)
        self._poolings = [RoIPooling(pool_size, stride) for stride in self.strides]

    def pool(self, features, rois):
        levels = self.levels(rois)[..., tf.newaxis, tf.newaxis, tf.newaxis]
        pooled = [pooling(part, rois) for pooling, part in zip(self._poolings, features)]
        chosen = pooled[0]
        for level, part in enumerate(pooled[1:], 1):
            chosen = tf.where(tf.equal(levels, level), part, chosen)
        return chosen
