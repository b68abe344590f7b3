"""SPPnet (He et al., 2014; arXiv 1406.4729): the regions of an image share its features, by spatial pyramid pooling.

Shapes: see `keras_resnets.detection.region_detector`.
"""

import keras

from keras_resnets.detection.options import SPPNetOptions
from keras_resnets.detection.svm_detector import StagedDetector
from keras_resnets.layers.spatial_pyramid_pooling import SpatialPyramidPooling


@keras.saving.register_keras_serializable(package="keras_resnets")
class SPPNet(StagedDetector):
    """Windows of the trunk's map are pooled to vectors of one length, which fully connected layers take.

    The trunk is not trained: it has the weights of a classification net. Of several `scales`, a window has the one at
    which its area is nearest to 224 x 224 (section 4.1).

    Input: as of `FastRCNN`: `images`, `image_shapes` and `proposals` (B, R, 4). Output: as of `FasterRCNN`.

    Args:
        num_classes, backbone, weights, normalization, name: as of `FasterRCNN`.
        **options: see below.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """

    OPTIONS = SPPNetOptions

    def __init__(self, num_classes, backbone="zfnet", weights=None, normalization=None, name="spp_net", **options):
        super().__init__(num_classes, backbone, weights, "max", normalization, name, **options)
        self.trunk.trainable = False

    def _make_roi_pooling(self, roi_pooling, parts):
        return SpatialPyramidPooling(self.options.pyramid, parts.stride, name="spatial_pyramid_pooling")
