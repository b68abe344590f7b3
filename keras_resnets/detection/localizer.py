"""The localization of objects whose classes are known, as in ImageNet (ResNet, arXiv 1512.03385, appendix C).

Shapes: B images on canvases of H x W pixels, C classes of an image, K classes in all, A anchors, N proposals of each
class, G objects. Boxes are float32 [x1, y1, x2, y2] in pixels of the canvas, and their width is x2 - x1.
"""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.detection.backbones import make_backbone
from keras_resnets.detection.base import BoxModel
from keras_resnets.detection.options import LocalizerOptions
from keras_resnets.detection.rcnn import RCNN
from keras_resnets.detection.region_losses import padded_targets
from keras_resnets.detection.rpn import anchor_generator, image_losses, region_proposal_network
from keras_resnets.errors import ArgumentError
from keras_resnets.layers.detections import PADDING
from keras_resnets.layers.proposals import Proposals
from keras_resnets.ops import boxes


@keras.saving.register_keras_serializable(package="keras_resnets")
class Localizer(BoxModel):
    """A region proposal network with separate outputs for each class.

    It does not predict which classes an image has: they are given, or are the most likely ones of a classification net.
    For each anchor and class, an independent logistic unit predicts whether there is such an object, and four deltas
    correct its box. (In the paper, the two sibling layers have 1000 and 1000 x 4 outputs, and boxes refer to several
    anchors at each position. We read it as 1000 * k and 1000 * 4 * k channels, for k anchors.)

    It learns only from the outputs of an image's own classes. For each of them, `rpn_batch_size` anchors are sampled,
    of which at most half match an object of the class.

    Input: a dict of `images` (B, H, W, 3) RGB, 0 to 255, of any numeric dtype, with known H and W; `image_shapes`
    (B, 2) int32, the height and width of the image in the upper left corner of each canvas; and `classes` (B, C) int32,
    from 0 to K - 1, -1 for padding.
    Output: a dict of `boxes` (B, C, 4) float32, the box of the anchor with the highest score for the class, corrected
    and clipped to the image, and `scores` (B, C) float32, 0 to 1. Both are zero for padding.

    Training is by `model.compile(optimizer)` and `model.fit` on pairs of that input (`classes` are optional) and a dict
    of `boxes` (B, G, 4) and `classes` (B, G), both padded with -1; or by `training_losses` in a custom loop.

    Attributes:
        trunk: `keras.Model` from normalized images to features (B, h, w, channels).
        rpn: `keras.Model` from features to logits (B, A * K) and deltas (B, A * K, 4), ordered by anchor, then class.

    Args:
        num_classes: K.
        backbone, weights, normalization: see `keras_resnets.FasterRCNN`. Only the trunk of the backbone is used.
        name: name of the model.
        **options: see below.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """

    loss_names: tuple[str, ...] = ("rpn_class", "rpn_box")
    OPTIONS: type = LocalizerOptions

    def __init__(
        self,
        num_classes: int,
        backbone: str | keras.Model = "resnet101",
        weights: str | None = None,
        normalization: Mapping[str, Any] | None = None,
        name: str = "localizer",
        **options: Any,
    ):
        super().__init__(num_classes, backbone, weights, normalization, name, options)
        parts = make_backbone(backbone)
        self.trunk = parts.trunk
        self.anchors = anchor_generator(self.options, parts.strides)
        self.rpn = region_proposal_network(
            self.trunk.output.shape[-1], self.anchors.per_cell * num_classes, self.options.rpn_filters
        )
        self.proposals = Proposals(
            self.options.pre_nms_topk,
            self.options.post_nms_topk,
            self.options.rpn_nms_threshold,
            self.options.proposal_min_size,
            name="proposals",
        )
        self._finish(backbone, parts, weights)

    def call(self, inputs, training=False):
        found, scores = _best_boxes(*self._class_outputs(inputs, training))
        count = _count(_classes(inputs))
        return {"boxes": tf.reshape(found, [-1, count, 4]), "scores": tf.reshape(scores, [-1, count])}

    def propose(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the best proposals of each class after non-maximum suppression (200 in the paper).

        Args:
            inputs, training: as for the model.

        Returns:
            Boxes (B, C, N, 4) float32, best first, N = `post_nms_topk`, padded with zeros, and a mask (B, C, N) bool of
            the valid ones. They carry no gradient.
        """
        found, valid = self.proposals(*self._class_outputs(inputs, training))
        shape = [-1, _count(_classes(inputs)), self.options.post_nms_topk]
        return tf.reshape(found, [*shape, 4]), tf.reshape(valid, shape)

    def training_losses(self, inputs, targets, seeds, training=True):
        logits, deltas, anchors = self._outputs(inputs, training)
        targets = padded_targets(targets)
        classes = targets["classes"]
        count = classes.shape[1]
        logits, deltas = _of_classes(logits, deltas, classes)
        image_shapes, seeds = (tf.repeat(tensor, count, axis=0) for tensor in (inputs["image_shapes"], seeds))
        of_class = _targets_of_classes(targets)
        losses = image_losses(self.options, logits, deltas, anchors, image_shapes, of_class, seeds)
        # Each class of an image counts once, however many objects it has.
        first = tf.cast(_is_first(classes), tf.float32)
        return {
            name: tf.reduce_mean(tf.reduce_sum(tf.reshape(loss, [-1, count]) * first, axis=1))
            for name, loss in losses.items()
        }

    def _outputs(self, inputs, training):
        """Returns logits (B, A, K) and deltas (B, A, K, 4) of all classes, and the anchors (A, 4)."""
        images, image_shapes = (tf.convert_to_tensor(inputs[name]) for name in ("images", "image_shapes"))
        features = self.trunk(self.normalization(images, image_shapes), training=training)
        anchors = self.anchors(features)
        shape = [-1, anchors.shape[0], self.num_classes]
        logits, deltas = self.rpn(features, training=training)
        return tf.reshape(logits, shape), tf.reshape(deltas, [*shape, 4]), anchors

    def _class_outputs(self, inputs, training):
        """Returns the inputs of `Proposals`, a row for each of the B * C classes; padding has no valid candidate."""
        classes = _classes(inputs)
        logits, deltas, anchors = self._outputs(inputs, training)
        logits, deltas = _of_classes(logits, deltas, classes)
        logits = tf.where(tf.reshape(classes, [-1, 1]) >= 0, tf.cast(logits, tf.float32), tf.float32.min)
        return logits, deltas, anchors, tf.repeat(inputs["image_shapes"], _count(classes), axis=0)


def localize_in_two_stages(localizer: Localizer, rcnn: RCNN, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns the most likely box of each class, by the paper's two stages.

    The regions of a class are the localizer's proposals. The R-CNN scores them and corrects their boxes.

    Args:
        localizer: the first stage.
        rcnn: the second stage, with the same classes and `svm=False`.
        inputs: the localizer's input.

    Returns:
        A dict like the localizer's output.
    """
    regions, valid = localizer.propose(inputs)
    features, image_shapes = rcnn.features(inputs), inputs["image_shapes"]

    def of_class(chosen):
        label, regions, valid = chosen  # (B,), (B, N, 4), (B, N)
        scores, deltas = rcnn.score(features, regions, image_shapes)
        scores, deltas = (tf.gather(part, tf.maximum(label, 0), axis=2, batch_dims=1) for part in (scores, deltas))
        corrected = boxes.clip(boxes.decode(deltas, regions, rcnn.options.delta_stds), image_shapes)
        scores = tf.where(valid, scores, 0.0)
        return tf.gather(corrected, tf.argmax(scores, axis=1), batch_dims=1), tf.reduce_max(scores, axis=1)

    # Class by class, to save memory: a class has as many regions as a whole image in detection.
    by_class = tf.transpose(_classes(inputs)), tf.transpose(regions, [1, 0, 2, 3]), tf.transpose(valid, [1, 0, 2])
    specs = tf.TensorSpec([None, 4], tf.float32), tf.TensorSpec([None], tf.float32)
    found, scores = tf.map_fn(of_class, by_class, fn_output_signature=specs)
    return {"boxes": tf.transpose(found, [1, 0, 2]), "scores": tf.transpose(scores)}


def _classes(inputs):
    """Returns the classes (B, C) int32 of an input."""
    if "classes" not in inputs:
        raise ArgumentError(f"inputs has {', '.join(inputs)}, but no classes: pass (B, C) int32, -1 for padding.")
    return tf.cast(inputs["classes"], tf.int32)


def _count(classes):
    """Returns C of classes (B, C): an integer if it is known, else a tensor."""
    return tf.shape(classes)[1] if classes.shape[1] is None else classes.shape[1]


def _of_classes(logits, deltas, classes):
    """Returns the logits (B * C, A) and deltas (B * C, A, 4) of classes (B, C); padding has those of class 0."""
    places = tf.maximum(classes, 0)
    logits, deltas = (tf.gather(tensor, places, axis=2, batch_dims=1) for tensor in (logits, deltas))
    logits, deltas = tf.transpose(logits, [0, 2, 1]), tf.transpose(deltas, [0, 2, 1, 3])
    return tf.reshape(logits, [-1, logits.shape[2]]), tf.reshape(deltas, [-1, *deltas.shape[2:]])


def _targets_of_classes(targets):
    """Returns targets with a row for each of the B * G objects: all objects of its class; others become padding."""
    classes = targets["classes"]
    count = classes.shape[1]
    of_class = tf.where(_same(classes), classes[:, tf.newaxis], PADDING)
    return {"boxes": tf.repeat(targets["boxes"], count, axis=0), "classes": tf.reshape(of_class, [-1, count])}


def _is_first(classes):
    """Returns a mask (B, G) bool of the objects that are the first of their class in the image."""
    earlier = tf.range(classes.shape[1])[:, tf.newaxis] > tf.range(classes.shape[1])
    return (classes >= 0) & ~tf.reduce_any(_same(classes) & earlier, axis=2)


def _same(classes):
    """Returns (B, G, G) bool: whether two objects have the same class."""
    return classes[:, :, tf.newaxis] == classes[:, tf.newaxis]


def _best_boxes(logits, deltas, anchors, image_shapes):
    """Returns the boxes (R, 4) and scores (R,) of the best anchors of R rows, or zeros if none is valid."""
    candidates = boxes.clip(boxes.decode(deltas, anchors), image_shapes)
    # Boxes outside of the image have no area after clipping.
    logits = tf.where(boxes.areas(candidates) > 0, logits, tf.float32.min)
    best = tf.argmax(logits, axis=1, output_type=tf.int32)
    logit = tf.gather(logits, best, batch_dims=1)
    valid = logit > tf.float32.min
    chosen = tf.gather(candidates, best, batch_dims=1)
    return tf.where(valid[:, tf.newaxis], chosen, 0.0), tf.where(valid, tf.sigmoid(logit), 0.0)
