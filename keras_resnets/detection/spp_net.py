"""SPPnet (He et al., 2014; arXiv 1406.4729): regions share the features of an image, by spatial pyramid pooling.

Shapes: see `keras_resnets.detection.region_detector`.
"""

from collections.abc import Mapping
from typing import Any

import keras

from keras_resnets.detection.backbones import Backbone
from keras_resnets.detection.options import SPPNetOptions
from keras_resnets.detection.svm_detector import SVMDetector
from keras_resnets.layers.spatial_pyramid_pooling import SpatialPyramidPooling


@keras.saving.register_keras_serializable(package="keras_resnets")
class SPPNet(SVMDetector):
    """A detector that pools windows of the trunk's map to vectors of fixed length, for fully connected layers.

    The trunk is not trained: it has the weights of a classification net. With several `scales`, a window is taken from
    the one at which its area is nearest to 224 x 224 (section 4.1).

    Input: as for `FastRCNN`: `images`, `image_shapes` and `proposals` (B, R, 4). Output: as for `FasterRCNN`.

    Args:
        num_classes, backbone, weights, normalization, name: as for `FasterRCNN`. The layers of a net that is given as
            `backbone` are frozen, all of those of the trunk.
        **options: see below.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """

    OPTIONS: type = SPPNetOptions

    def __init__(
        self,
        num_classes: int,
        backbone: str | keras.Model = "zfnet",
        weights: str | None = None,
        normalization: Mapping[str, Any] | None = None,
        name: str = "spp_net",
        **options: Any,
    ):
        super().__init__(num_classes, backbone, weights, normalization, name, options)
        self.trunk.trainable = False

    def _make_roi_pooling(self, parts: Backbone, **others: Any) -> SpatialPyramidPooling:
        return SpatialPyramidPooling(self.options.pyramid, parts.strides[0], name="spatial_pyramid_pooling")
