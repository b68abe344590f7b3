"""R-CNN (Girshick et al., 2013; arXiv 1311.2524): a classification net runs on each region of an image.

Shapes: see `keras_resnets.detection.region_detector`.
"""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.detection.options import RCNNOptions
from keras_resnets.detection.svm_detector import SVMDetector
from keras_resnets.layers.region_warping import RegionWarping
from keras_resnets.layers.spatial_pyramid_pooling import map_maxima

CHUNK = 50  # regions that are warped at once; 2,000 of them need 1.2 GB


@keras.saving.register_keras_serializable(package="keras_resnets")
class RCNN(SVMDetector):
    """A detector that runs the net once for each region, which is warped to a square with some context.

    The trunk's map of a square is divided into the bins that the network of regions takes, by the rule of spatial
    pyramid pooling: for VGG-16, 14 cells into 7 bins are its last pooling. Residual nets have conv5 on the map of
    conv4, where 14 cells into 14 bins change nothing. Squares of 224 pixels have 14 cells, squares of 227 have 15.

    Input: as for `FastRCNN`: `images`, `image_shapes` and `proposals` (B, R, 4). Output: as for `FasterRCNN`.

    Args:
        num_classes, backbone, weights, normalization, name: as for `FasterRCNN`.
        **options: see below.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """

    OPTIONS: type = RCNNOptions
    trunk_sees_regions: bool = True

    def __init__(
        self,
        num_classes: int,
        backbone: str | keras.Model = "resnet101",
        weights: str | None = None,
        normalization: Mapping[str, Any] | None = None,
        name: str = "rcnn",
        **options: Any,
    ):
        super().__init__(num_classes, backbone, weights, "max", normalization, name, **options)

    def _make_roi_pooling(self, roi_pooling, parts):
        self._bins = self.options.pool_size or parts.pool_size
        if self.options.head is None:
            parts.check_pool_size(self._bins)
        return RegionWarping(self.options.warp_size, self.options.warp_context, name="region_warping")

    def _pooled_shape(self):
        return (self._bins, self._bins, self.trunk.output.shape[-1])

    def features(self, inputs, training=False):
        images, image_shapes = (tf.convert_to_tensor(inputs[name]) for name in ("images", "image_shapes"))
        return [self.normalization(images, image_shapes)]

    def pool(self, features, regions, training=False):
        count = regions.shape[1]
        if training or count <= CHUNK:
            return self._bins_of(features, regions, training)
        chunks = -(-count // CHUNK)
        padded = tf.pad(regions, [[0, 0], [0, chunks * CHUNK - count], [0, 0]])
        padded = tf.transpose(tf.reshape(padded, [-1, chunks, CHUNK, 4]), [1, 0, 2, 3])
        dtype = self.trunk.output.dtype
        spec = tf.TensorSpec([None, CHUNK, *self._pooled_shape()], dtype)
        pooled = tf.map_fn(lambda chunk: self._bins_of(features, chunk, False), padded, fn_output_signature=spec)
        pooled = tf.transpose(pooled, [1, 0, 2, 3, 4, 5])
        return tf.reshape(pooled, [-1, chunks * CHUNK, *self._pooled_shape()])[:, :count]

    def _bins_of(self, images, regions, training):
        """Returns the features (B, R, P, P, C) of the bins of each region's map."""
        warped = self.roi_pooling(images, regions)
        maps = self.trunk(tf.reshape(warped, [-1, *warped.shape[2:]]), training=training)
        return tf.reshape(map_maxima(maps, self._bins), [-1, regions.shape[1], *self._pooled_shape()])
