"""Fast R-CNN (Girshick, 2015; arXiv 1504.08083): regions are given, for example by selective search.

Shapes: see `keras_resnets.detection.region_detector`.
"""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.detection.options import FastRCNNOptions
from keras_resnets.detection.region_detector import RegionDetector
from keras_resnets.errors import ArgumentError
from keras_resnets.layers.region_layer import RegionLayer
from keras_resnets.ops.boxes import areas


@keras.saving.register_keras_serializable(package="keras_resnets")
class FastRCNN(RegionDetector):
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

    loss_names: tuple[str, ...] = ("region_class", "region_box")
    OPTIONS: type = FastRCNNOptions

    def __init__(
        self,
        num_classes: int,
        backbone: str | keras.Model = "resnet101",
        weights: str | None = None,
        roi_pooling: str | RegionLayer = "max",
        normalization: Mapping[str, Any] | None = None,
        name: str = "fast_rcnn",
        **options: Any,
    ):
        super().__init__(num_classes, backbone, weights, roi_pooling, normalization, name, options)

    def call(self, inputs, training=False):
        image_shapes = tf.convert_to_tensor(inputs["image_shapes"])
        return self.detect(self.features(inputs, training), *given_proposals(inputs), image_shapes, training)

    def training_losses(self, inputs, targets, seeds, training=True):
        features = self.features(inputs, training)
        return self.region_losses(features, *given_proposals(inputs), inputs, targets, seeds, training)


def given_proposals(inputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the proposals (B, R, 4) float32 of an input, and a mask (B, R) bool of the valid ones.

    Raises:
        ArgumentError: (a ValueError) if there are none.
    """
    if "proposals" not in inputs:
        raise ArgumentError(
            f"inputs has {', '.join(inputs)}, but no proposals: pass (B, R, 4) boxes, padded with zeros."
        )
    proposals = tf.cast(inputs["proposals"], tf.float32)
    return proposals, areas(proposals) > 0
