"""Where the objects of known classes are: ImageNet localization (ResNet, arXiv 1512.03385, appendix C).

Shapes: B images on canvases of H x W pixels, C classes of an image, K classes in all, A anchors, N proposals of each
class, G objects; boxes are float32 [x1, y1, x2, y2] in pixels of the canvas, where the width is x2 - x1.
"""

import keras
import tensorflow as tf

from keras_resnets.detection.backbones import make_backbone
from keras_resnets.detection.base import BoxModel
from keras_resnets.detection.options import LocalizerOptions
from keras_resnets.detection.region_losses import padded_targets
from keras_resnets.detection.rpn import image_losses, region_proposal_network
from keras_resnets.errors import ArgumentError
from keras_resnets.layers.anchor_generator import AnchorGenerator
from keras_resnets.layers.proposals import Proposals
from keras_resnets.ops import boxes


@keras.saving.register_keras_serializable(package="keras_resnets")
class Localizer(BoxModel):
    """A region proposal network with outputs of their own for all classes.

    It does not say which classes an image has: these are given, or a classification net's likeliest. For each anchor
    and class, an independent logistic unit tells whether there is such an object, and four deltas correct its box. (The
    paper says that the two siblings have 1000 and 1000 x 4 outputs, and that boxes refer to several anchors at each
    position: we read it as 1000 * k and 1000 * 4 * k channels, for k anchors.)

    It learns from the outputs of an image's own classes alone: for each of them, `rpn_batch_size` anchors are sampled,
    half of them at most with an object of the class.

    Input: a dict of `images` (B, H, W, 3) RGB, 0..255, any number type, H and W known; `image_shapes` (B, 2) int32, the
    height and width of the image in the top left corner of each canvas; and `classes` (B, C) int32, from 0 to K - 1,
    -1 for padding.
    Output: a dict of `boxes` (B, C, 4) float32, of the anchor with the highest score for the class, corrected and
    clipped to the image, and `scores` (B, C) float32, 0 to 1; zeros for padding.

    It is trained by `model.compile(optimizer)` and `model.fit` on pairs of that input, `classes` left out or not, and a
    dict of `boxes` (B, G, 4) and `classes` (B, G), both padded with -1; or by `training_losses` in a loop of one's own.

    Attributes:
        trunk: `keras.Model` from normalized images to features (B, h, w, channels).
        rpn: `keras.Model` from features to logits (B, A * K) and deltas (B, A * K, 4), the classes of an anchor one
            after the other.

    Args:
        num_classes: K.
        backbone, weights, normalization: see `keras_resnets.FasterRCNN`; of the backbone, the trunk alone is used.
        name: the model's name.
        **options: see below.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """

    loss_names = ("rpn_class", "rpn_box")
    OPTIONS = LocalizerOptions

    def __init__(
        self, num_classes, backbone="resnet101", weights=None, normalization=None, name="localizer", **options
    ):
        super().__init__(num_classes, backbone, weights, normalization, name, options)
        parts, options = make_backbone(backbone), self.options
        self.trunk = parts.trunk
        self.anchors = AnchorGenerator(
            options.anchor_sizes,
            options.anchor_ratios,
            parts.stride,
            options.anchor_offset,
            options.anchor_rounding,
            name="anchors",
        )
        self.rpn = region_proposal_network(
            self.trunk.output.shape[-1], self.anchors.per_cell * num_classes, options.rpn_filters
        )
        self.proposals = Proposals(
            options.pre_nms_topk,
            options.post_nms_topk,
            options.rpn_nms_threshold,
            options.proposal_min_size,
            name="proposals",
        )
        self._finish(backbone, weights)

    def call(self, inputs, training=False):
        found, scores = _best_boxes(*self._class_outputs(inputs, training))
        count = _count(_classes(inputs))
        return {"boxes": tf.reshape(found, [-1, count, 4]), "scores": tf.reshape(scores, [-1, count])}

    def propose(self, inputs, training=False):
        """Returns the best proposals of each class after non-maximum suppression (the paper has 200).

        Args:
            inputs, training: as of the model.

        Returns:
            Boxes (B, C, N, 4) float32, best first, N = `post_nms_topk`, padded with zeros; and (B, C, N) bool, whether
            there is one. They carry no gradient.
        """
        found, exist = self.proposals(*self._class_outputs(inputs, training))
        shape = [-1, _count(_classes(inputs)), self.options.post_nms_topk]
        return tf.reshape(found, [*shape, 4]), tf.reshape(exist, shape)

    def training_losses(self, inputs, targets, seeds, training=True):
        logits, deltas, anchors = self._outputs(inputs, training)
        targets = padded_targets(targets)
        classes = targets["classes"]
        count = classes.shape[1]
        logits, deltas = _of_classes(logits, deltas, classes)
        image_shapes, seeds = (tf.repeat(tensor, count, axis=0) for tensor in (inputs["image_shapes"], seeds))
        of_class = _targets_of_classes(targets)
        losses = image_losses(self.options, logits, deltas, anchors, image_shapes, of_class, seeds)
        counts = tf.cast(_is_first(classes), tf.float32)
        return {
            name: tf.reduce_mean(tf.reduce_sum(tf.reshape(loss, [-1, count]) * counts, axis=1))
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
        """Returns what `Proposals` takes, a row for each of the B * C classes; one of padding has no candidate."""
        classes = _classes(inputs)
        logits, deltas, anchors = self._outputs(inputs, training)
        logits, deltas = _of_classes(logits, deltas, classes)
        logits = tf.where(tf.reshape(classes, [-1, 1]) >= 0, tf.cast(logits, tf.float32), tf.float32.min)
        return logits, deltas, anchors, tf.repeat(inputs["image_shapes"], _count(classes), axis=0)


def two_stage_guesses(localizer, rcnn, inputs):
    """Returns the likeliest region of each class, corrected: what the paper's second stage makes of the first one's.

    The regions of a class are the proposals of a localizer; an R-CNN gives them scores and corrects them.

    Args:
        localizer: a `Localizer`.
        rcnn: a `keras_resnets.RCNN` of the same classes, with `svm=False`.
        inputs: of the localizer.

    Returns:
        A dict as the localizer's.
    """
    regions, exist = localizer.propose(inputs)
    features, image_shapes = rcnn.features(inputs), inputs["image_shapes"]
    weights = [1 / std for std in rcnn.options.delta_stds]

    def of_class(chosen):
        label, regions, exist = chosen  # (B,), (B, N, 4), (B, N)
        scores, deltas = rcnn.score(features, regions, image_shapes)
        scores, deltas = (tf.gather(part, tf.maximum(label, 0), axis=2, batch_dims=1) for part in (scores, deltas))
        corrected = boxes.clip(boxes.decode(deltas, regions, weights), image_shapes)
        scores = tf.where(exist, scores, 0.0)
        return tf.gather(corrected, tf.argmax(scores, axis=1), batch_dims=1), tf.reduce_max(scores, axis=1)

    # Class by class: of each there are as many regions as of a whole image in detection.
    by_class = tf.transpose(_classes(inputs)), tf.transpose(regions, [1, 0, 2, 3]), tf.transpose(exist, [1, 0, 2])
    specs = tf.TensorSpec([None, 4], tf.float32), tf.TensorSpec([None], tf.float32)
    found, scores = tf.map_fn(of_class, by_class, fn_output_signature=specs)
    return {"boxes": tf.transpose(found, [1, 0, 2]), "scores": tf.transpose(scores)}


def _classes(inputs):
    """Returns the input's classes (B, C) int32."""
    if "classes" not in inputs:
        raise ArgumentError(f"inputs has {', '.join(inputs)}, but no classes: pass (B, C) int32, -1 for padding.")
    return tf.cast(inputs["classes"], tf.int32)


def _count(classes):
    """Returns the number of classes (B, C) of an image, an integer where it is known."""
    return tf.shape(classes)[1] if classes.shape[1] is None else classes.shape[1]


def _of_classes(logits, deltas, classes):
    """Returns the logits (B * C, A) and deltas (B * C, A, 4) of classes (B, C), for padding those of any class."""
    places = tf.maximum(classes, 0)
    logits, deltas = (tf.gather(tensor, places, axis=2, batch_dims=1) for tensor in (logits, deltas))
    logits, deltas = tf.transpose(logits, [0, 2, 1]), tf.transpose(deltas, [0, 2, 1, 3])
    return tf.reshape(logits, [-1, logits.shape[2]]), tf.reshape(deltas, [-1, *deltas.shape[2:]])


def _targets_of_classes(targets):
    """Returns targets with a row for each of the B * G objects: all objects of its class, the others as padding."""
    classes = targets["classes"]
    count = classes.shape[1]
    of_class = tf.where(_same(classes), classes[:, tf.newaxis], -1)
    return {"boxes": tf.repeat(targets["boxes"], count, axis=0), "classes": tf.reshape(of_class, [-1, count])}


def _is_first(classes):
    """Returns (B, G) bool, whether an object is the first of its class."""
    earlier = tf.range(classes.shape[1])[:, tf.newaxis] > tf.range(classes.shape[1])
    return (classes >= 0) & ~tf.reduce_any(_same(classes) & earlier, axis=2)


def _same(classes):
    """Returns (B, G, G) bool, whether two objects are of one class."""
    return classes[:, :, tf.newaxis] == classes[:, tf.newaxis]


def _best_boxes(logits, deltas, anchors, image_shapes):
    """Returns the boxes (R, 4) and scores (R,) of R rows' best anchors, zeros where there is none."""
    candidates = boxes.clip(boxes.decode(deltas, anchors), image_shapes)
    # What is outside of the image has no area.
    logits = tf.where(boxes.areas(candidates) > 0, logits, tf.float32.min)
    best = tf.argmax(logits, axis=1, output_type=tf.int32)
    logit = tf.gather(logits, best, batch_dims=1)
    exists = logit > tf.float32.min
    chosen = tf.gather(candidates, best, batch_dims=1)
    return tf.where(exists[:, tf.newaxis], chosen, 0.0), tf.where(exists, tf.sigmoid(logit), 0.0)
