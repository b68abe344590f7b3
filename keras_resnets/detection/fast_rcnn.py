"""Fast R-CNN (Girshick, 2015; arXiv 1504.08083): regions are given, for example by selective search.

Shapes: see `keras_resnets.detection.region_detector`.
"""

from collections.abc import Mapping
from typing import Any

import keras

from keras_resnets.detection.options import FastRCNNOptions
from keras_resnets.detection.region_losses import LOSS_NAMES
from keras_resnets.detection.roi_detector import RoIDetector
from keras_resnets.layers.region_layer import RoILayer


@keras.saving.register_keras_serializable(package="keras_resnets")
class FastRCNN(RoIDetector):
    """A detector that classifies given regions and corrects their boxes, trained in a single stage.

    It is `keras_resnets.FasterRCNN` without the region proposal network: it has the same trunk, region pooling, head,
    losses and final detections. An image may have any number of regions. In training, `roi_batch_size` regions are
    sampled from them and from the objects. The paper samples 64 regions from each of two images, with background whose
    IoU with an object is in [0.1, 0.5); end-to-end training of Faster R-CNN samples 128 from an image, with [0, 0.5).

    Input: a dict of `images` and `image_shapes` as for `FasterRCNN`, and `proposals` (B, R, 4) float32 in pixels of the
    canvas, padded with zeros; R must be known.
    Output and training: as for `FasterRCNN`. The terms of the loss are `region_class` and `region_box`.

    Args:
        num_classes, backbone, weights, roi_pooling, normalization, name: as for `FasterRCNN`.
        **options: see below.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """

    loss_names: tuple[str, ...] = LOSS_NAMES
    OPTIONS: type = FastRCNNOptions

    def __init__(
        self,
        num_classes: int,
        backbone: str | keras.Model = "resnet101",
        weights: str | None = None,
        roi_pooling: str | RoILayer = "max",
        normalization: Mapping[str, Any] | None = None,
        name: str = "fast_rcnn",
        **options: Any,
    ):
        super().__init__(num_classes, backbone, weights, roi_pooling, normalization, name, options)
