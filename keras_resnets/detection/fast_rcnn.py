"""Fast R-CNN (Girshick, 2015; arXiv 1504.08083): regions come from elsewhere, for example from selective search.

Shapes: see `keras_resnets.detection.region_detector`.
"""

import keras
import tensorflow as tf

from keras_resnets.detection.options import FastRCNNOptions
from keras_resnets.detection.region_detector import RegionDetector
from keras_resnets.errors import ArgumentError
from keras_resnets.ops.boxes import areas


@keras.saving.register_keras_serializable(package="keras_resnets")
class FastRCNN(RegionDetector):
    """A detector that classifies given regions and corrects their boxes, trained in a single stage.

    It is `keras_resnets.FasterRCNN` without the region proposal network: the same trunk, region pooling, head, losses
    and final detections. An image may have as many regions as one likes, in training too, where `roi_batch_size` of
    them and of the objects are sampled: the paper's mini-batch of 2 images has 64 of each, and its background has an
    IoU in [0.1, 0.5) with an object (end to end, Faster R-CNN has 128 of an image, and [0, 0.5)).

    Input: a dict of `images` and `image_shapes` as of `FasterRCNN`, and `proposals` (B, R, 4) float32 in pixels of the
    canvas, padded with zeros; R must be known.
    Output and training: as `FasterRCNN`'s; the terms of the loss are `region_class` and `region_box`.

    Args:
        num_classes, backbone, weights, roi_pooling, normalization, name: as of `FasterRCNN`.
        **options: see below.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """

    loss_names = ("region_class", "region_box")
    OPTIONS = FastRCNNOptions

    def __init__(
        self,
        num_classes,
        backbone="resnet101",
        weights=None,
        roi_pooling="max",
        normalization=None,
        name="fast_rcnn",
        **options,
    ):
        super().__init__(num_classes, backbone, weights, roi_pooling, normalization, name, options)

    def call(self, inputs, training=False):
        image_shapes = tf.convert_to_tensor(inputs["image_shapes"])
        return self.detect(self.features(inputs, training), *given_proposals(inputs), image_shapes, training)

    def training_losses(self, inputs, targets, seeds, training=True):
        features = self.features(inputs, training)
        return self.region_losses(features, *given_proposals(inputs), inputs, targets, seeds, training)


def given_proposals(inputs):
    """Returns the input's proposals (B, R, 4) float32, and whether they exist (B, R)."""
    if "proposals" not in inputs:
        raise ArgumentError(
            f"inputs has {', '.join(inputs)}, but no proposals: pass (B, R, 4) boxes, padded with zeros."
        )
    proposals = tf.cast(inputs["proposals"], tf.float32)
    return proposals, areas(proposals) > 0
