"""Export of nets as SavedModels that take images of any size and preprocess them."""

import numbers
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from keras_resnets.detection.ensemble import Ensemble
from keras_resnets.detection.faster_rcnn import FasterRCNN
from keras_resnets.detection.localizer import Localizer, localize_in_two_stages
from keras_resnets.detection.mask_rcnn import MaskRCNN
from keras_resnets.detection.rcnn import RCNN
from keras_resnets.detection.region_detector import RegionDetector
from keras_resnets.detection.resizing import Resizing, from_original, to_original
from keras_resnets.errors import ArgumentError
from keras_resnets.layers.detections import PADDING
from keras_resnets.ops.masks import paste_masks
from keras_resnets.preprocessing import Preprocessing
from keras_resnets.serving.description import write_description
from keras_resnets.serving.formats import MAX_PIXELS
from keras_resnets.serving.image_bytes import OK, decode_batch
from keras_resnets.serving.predict_requests import warmup_requests, write_warmup
from keras_resnets.serving.saved_model import Signature, publish, write_saved_model
from keras_resnets.surgery.fold_batch_norm import fold_batch_norm
from keras_resnets.surgery.graph import check_functional, stage_outputs
from keras_resnets.surgery.truncated_svd import truncated_svd
from keras_resnets.weights.family import CLASSIFIER

TOP = 5  # classes that a classifier returns
PASTED_MASKS = "pasted_masks"  # a signature of a Mask R-CNN
DESCRIBED = ("max_detections", "score_threshold", "nms_threshold")  # options of a detector
DETECTOR_PARTS = ("trunk", "rpn", "region_network", "head", "linear", "mask_head")
Path = str | os.PathLike


def export_classifier(
    model: keras.Model,
    preprocessing: Preprocessing,
    labels: Sequence[str],
    base: Path,
    version: int | None = None,
    *,
    stages: Sequence[str] = (),
    batch_size: int | None = None,
    max_pixels: int = MAX_PIXELS,
    warmup: bool = False,
) -> pathlib.Path:
    """Exports a classification net for TensorFlow Serving.

    Batch normalization is folded into the convolutions, and weights are constants. The SavedModel has three signatures:

    - `serving_default` takes `images`, (B, H, W, 3) uint8 RGB, images of the same size, which may be any;
    - `image_bytes` takes `image_bytes`, (B,) strings: JPEG, PNG, BMP, GIF or WebP files, of different sizes, which
      are turned upright as EXIF says;
    - `features` takes the `images` of `serving_default`.

    The first two return `probabilities` (B, classes) float32, and the five most likely classes, best first, as
    `classes` (B, 5) int32 and `labels` (B, 5) strings. A net of fewer classes returns them all. `image_bytes` also
    returns `status` (B,) strings: "OK", or "INVALID_ARGUMENT: " and the reason why the file cannot be used. Such a file
    has probabilities 0, classes -1 and empty labels, and does not affect the other files of the batch. `features`
    returns `features` (B, F) float32, the input of the classifier, and the given stages, (B, h, w, C) float32.

    Args:
        model: a built net whose output (B, classes) is probabilities. The export computes in the net's precision.
        preprocessing: the preprocessing with which the net was trained.
        labels: the names of the classes.
        base: the folder of all versions.
        version: positive integer; by default the next free one.
        stages: names of layers that `features` returns as well, such as "conv4_out".
        batch_size: B; None for any.
        max_pixels: encoded images with more pixels are rejected.
        warmup: whether to add requests that TensorFlow Serving makes before it serves the version, so that no client
            waits for the slow first answers. This needs the package tensorflow-serving-api.

    Returns:
        The path of the version's folder.

    Raises:
        ArgumentError: (a ValueError) if the version exists, labels or stages do not fit the net, or the net is not
            functional or has no layer called "predictions", as its classifier is in the nets of this package.
    """
    check_classifier(model, labels)
    net = _with_features(fold_batch_norm(model), stages)

    def answer(outputs, status=None):
        probabilities = tf.cast(outputs["probabilities"], tf.float32)
        _, classes = tf.math.top_k(probabilities, min(TOP, len(labels)))
        if status is not None:
            is_image = tf.equal(status, OK)[:, tf.newaxis]
            probabilities, classes = tf.where(is_image, probabilities, 0.0), tf.where(is_image, classes, PADDING)
        return {"probabilities": probabilities, "classes": classes, "labels": _names(labels, classes)}

    def serve_images(images):
        return answer(net(preprocessing(images), training=False))

    def serve_bytes(image_bytes):
        spec = tf.TensorSpec((preprocessing.size, preprocessing.size, 3), tf.float32)
        (images,), status = decode_batch(
            image_bytes, lambda image: (preprocessing(image),), [spec], max_pixels, preprocessing.exact
        )
        return {**answer(net(images, training=False), status), "status": status}

    def serve_features(images):
        outputs = net(preprocessing(images), training=False)
        return {name: tf.cast(outputs[name], tf.float32) for name in ("features", *stages)}

    signatures = _signatures(serve_images, serve_bytes, batch_size)
    signatures["features"] = Signature(signatures["serving_default"].inputs, serve_features)
    size = (preprocessing.size, preprocessing.size)
    return _write(signatures, [net], base, version, size if warmup else None)


def check_classifier(model: keras.Model, labels: Sequence[str]) -> None:
    """Raises ArgumentError for anything but a functional net that classifies images into the classes of the labels."""
    check_functional(model)
    if model.output_shape != (None, len(labels)):
        raise ArgumentError(f"labels has {len(labels)} names for a model whose output is {model.output_shape}.")


def _with_features(net, stages):
    """Returns a net whose output is a dict of `probabilities`, `features` and the stages."""
    layers = {layer.name: layer for layer in net.layers}
    for stage in stages:
        if stage not in layers:
            known = ", ".join(stage_outputs(net))
            raise ArgumentError(f"stages has {stage!r}, which is not a layer of {net.name}: use {known}.")
    if CLASSIFIER not in layers:
        raise ArgumentError(
            f"model={net.name} has no layer called {CLASSIFIER!r}, whose input would be its features: call its last "
            "dense layer so."
        )
    outputs = {stage: layers[stage].output for stage in stages}
    return keras.Model(net.input, {**outputs, "features": layers[CLASSIFIER].input, "probabilities": net.output})


def export_detector(
    model: RegionDetector | Ensemble,
    resizing: Resizing,
    labels: Sequence[str],
    base: Path,
    version: int | None = None,
    *,
    num_proposals: int | None = None,
    svd_ranks: Mapping[str, int] | None = None,
    batch_size: int | None = None,
    max_pixels: int = MAX_PIXELS,
    warmup: bool = False,
) -> pathlib.Path:
    """Exports a detector for TensorFlow Serving, as `export_classifier` does, without the signature `features`.

    Both signatures return, padded to D detections of an image, best first: `boxes` (B, D, 4) float32, [x1, y1, x2, y2]
    in pixels of the given image, `scores` (B, D) float32, `classes` (B, D) int32, -1 for padding, `labels` (B, D)
    strings, empty for padding, and `num_detections` (B,) int32. A file that is no image has no detections.

    D, the score threshold and the IoU threshold of non-maximum suppression are those of the model's options.
    `SavedModelSession.description` has them.

    The signatures of a detector without a region proposal network also take `proposals` (B, R, 4) float32, boxes in
    pixels of the given image, padded with zeros.

    Both signatures of a `MaskRCNN` also return `masks` (B, D, 28, 28) float32, probabilities in the detections' boxes,
    which `keras_resnets.ops.masks.paste_masks` puts into an image of any size. A third one, `pasted_masks`, takes the
    `images` of `serving_default` and returns them in the images, (B, D, H, W) uint8, 0 or 1: a byte for each pixel and
    each possible detection.

    Args:
        model: a detector of this package, or an `Ensemble`.
        resizing: the resizing with which it, or all its members, was trained.
        labels: the names of the classes.
        base, version, batch_size, max_pixels, warmup: as for `export_classifier`.
        num_proposals: R, which a detector without a region proposal network needs, and others do not have.
        svd_ranks: dict of ranks by the names of fully connected layers of the network of regions, such as {"fc6": 1024,
            "fc7": 256}: see `keras_resnets.surgery.truncated_svd`. All members of an ensemble have these ranks. None
            compresses nothing.

    Returns:
        The path of the version's folder.

    Raises:
        ArgumentError: (a ValueError) if the version exists, or an argument does not fit the model.
    """
    if not isinstance(model, (RegionDetector, Ensemble)):
        kinds = "FasterRCNN, FastRCNN, SPPNet, RCNN or Ensemble"
        raise ArgumentError(f"model is a {type(model).__name__}: pass a {kinds}.")
    _check_labels(model, labels)
    finds_regions = isinstance(model, (FasterRCNN, Ensemble))
    _check_num_proposals(model, finds_regions, num_proposals)
    detector, parts = _folded_detector(model, svd_ranks or {})

    def answer(images, shapes, scales, proposals=None):
        given = {} if proposals is None else {"proposals": from_original(proposals, scales)}
        found = detector({"images": images, "image_shapes": shapes, **given})
        boxes = to_original(found["boxes"], scales)
        return {**found, "boxes": boxes, "labels": _names(labels, found["classes"])}

    given = () if finds_regions else (tf.TensorSpec((batch_size, num_proposals, 4), tf.float32, "proposals"),)
    signatures = _resizing_signatures(answer, given, resizing, batch_size, max_pixels)
    if isinstance(model, MaskRCNN):
        signatures[PASTED_MASKS] = _pasting(signatures["serving_default"])
    options = (model.classifiers[0] if isinstance(model, Ensemble) else model).options
    facts = {name: getattr(options, name) for name in DESCRIBED}
    return _write(signatures, parts, base, version, resizing.canvas if warmup else None, facts)


def export_localizer(
    model: Localizer,
    resizing: Resizing,
    labels: Sequence[str],
    base: Path,
    version: int | None = None,
    *,
    second_stage: RCNN | None = None,
    batch_size: int | None = None,
    max_pixels: int = MAX_PIXELS,
    warmup: bool = False,
) -> pathlib.Path:
    """Exports a localizer for TensorFlow Serving, alone or with its second stage, as `export_classifier` does.

    There is no signature `features`. The other two also take `classes` (B, C) int32, the classes of the objects to find
    in each image; C may be any, and values that are no class, such as -1, are padding. (A server with batching refuses
    requests that it joins if they differ in C, or in the image size of `serving_default`.) They return `boxes`
    (B, C, 4) float32, [x1, y1, x2, y2] in pixels of the given image, `scores` (B, C) float32, the `classes` (B, C)
    int32, and `labels` (B, C) strings. Padding, and files that are no image, have boxes and scores 0, classes -1 and
    empty labels.

    Args:
        model: the localizer.
        resizing: the resizing with which it was trained.
        labels: the names of the classes.
        base, version, batch_size, max_pixels, warmup: as for `export_classifier`.
        second_stage: an R-CNN with the same classes that was trained on the localizer's proposals, with `svm=False`;
            None for the localizer alone.

    Returns, Raises:
        As `export_classifier`.
    """
    if not isinstance(model, Localizer):
        raise ArgumentError(f"model is a {type(model).__name__}: pass a Localizer.")
    if second_stage is not None and (not isinstance(second_stage, RCNN) or second_stage.options.svm):
        raise ArgumentError(f"second_stage={second_stage!r} must be an RCNN with svm=False, or None.")
    stages = [model] if second_stage is None else [model, second_stage]
    for stage in stages:
        _check_labels(stage, labels)
    (localizer, *others), parts = zip(*(_folded_detector(stage, {}) for stage in stages))

    def answer(images, shapes, scales, classes):
        classes = tf.where((classes >= 0) & (classes < len(labels)), classes, PADDING)
        inputs = {"images": images, "image_shapes": shapes, "classes": classes}
        found = localize_in_two_stages(localizer, others[0], inputs) if others else localizer(inputs)
        classes = tf.where(found["scores"] > 0, classes, PADDING)
        boxes = to_original(found["boxes"], scales)
        return {**found, "boxes": boxes, "classes": classes, "labels": _names(labels, classes)}

    given = (tf.TensorSpec((batch_size, None), tf.int32, "classes"),)
    signatures = _resizing_signatures(answer, given, resizing, batch_size, max_pixels)
    return _write(signatures, sum(parts, []), base, version, resizing.canvas if warmup else None)


def _check_labels(model, labels):
    if model.num_classes != len(labels):
        raise ArgumentError(f"labels has {len(labels)} names for a model of {model.num_classes} classes.")


def _check_num_proposals(model, finds_regions, num_proposals):
    kind = type(model).__name__
    if finds_regions and num_proposals is not None:
        raise ArgumentError(f"num_proposals={num_proposals!r} has no effect on {kind}, which finds regions: omit it.")
    if not finds_regions and (not isinstance(num_proposals, numbers.Integral) or num_proposals < 1):
        raise ArgumentError(f"num_proposals={num_proposals!r} must be a positive integer: {kind} takes proposals.")


def _folded_detector(model, svd_ranks):
    """Returns a copy of a model for inference, and a list of its parts that have weights."""
    if isinstance(model, Ensemble):
        members = {member: _folded_detector(member, svd_ranks) for member in model.members}
        proposers, classifiers = (
            [members[member][0] for member in part] for part in (model.proposers, model.classifiers)
        )
        return Ensemble(proposers, classifiers), [part for _, parts in members.values() for part in parts]
    detector = type(model).from_config(model.get_config())
    parts = {name: fold_batch_norm(getattr(model, name)) for name in DETECTOR_PARTS if hasattr(model, name)}
    # With maxout, the fully connected layers are in the head.
    in_head = {name for name in svd_ranks if name in [layer.name for layer in parts["head"].layers]}
    for part in ("region_network", "head"):
        ranks = {name: rank for name, rank in svd_ranks.items() if (name in in_head) == (part == "head")}
        if ranks:
            parts[part] = truncated_svd(parts[part], ranks)
    for name, part in parts.items():
        setattr(detector, name, part)
    return detector, [*parts.values()]


def _pasting(signature):
    """Returns a signature with the masks in the images that it is given."""

    def serve(images):
        found = signature.function(images)
        height, width = tf.unstack(tf.shape(images)[1:3])
        return {**found, "masks": paste_masks(found["masks"], found["boxes"], height, width)}

    return Signature(signature.inputs, serve)


def _names(labels, classes):
    """Returns the labels of classes; padding has empty ones."""
    return tf.gather(tf.constant(["", *labels]), classes + 1)


def _signatures(serve_images, serve_bytes, batch_size, given=()):
    """Returns the signatures of both functions, with more inputs given by named `tf.TensorSpec`s."""
    images = tf.TensorSpec((batch_size, None, None, 3), tf.uint8, "images")
    image_bytes = tf.TensorSpec((batch_size,), tf.string, "image_bytes")
    return {
        "serving_default": Signature((images, *given), serve_images),
        "image_bytes": Signature((image_bytes, *given), serve_bytes),
    }


def _resizing_signatures(
    answer: Callable[..., dict[str, tf.Tensor]],
    given: tuple[tf.TensorSpec, ...],
    resizing: Resizing,
    batch_size: int | None,
    max_pixels: int,
) -> dict[str, Signature]:
    """Returns signatures that resize images first.

    Args:
        answer: function of images on canvases, their shapes, their scales and the other inputs, to a dict of outputs.
        given: see `_signatures`.
        resizing, batch_size, max_pixels: see `export_detector`.
    """
    specs = [
        tf.TensorSpec((*resizing.canvas, 3), tf.float32),
        tf.TensorSpec((2,), tf.int32),
        tf.TensorSpec((2,), tf.float32),
    ]

    def prepare(image):
        resized, scale = resizing.resize(image)
        return *resizing.pad(resized), scale

    def serve_images(images, *others):
        return answer(*tf.map_fn(prepare, images, fn_output_signature=tuple(specs)), *others)

    def serve_bytes(image_bytes, *others):
        (images, shapes, scales), status = decode_batch(image_bytes, prepare, specs, max_pixels)
        # A file that is no image has scale 1, and an image without pixels has no detections.
        found = answer(images, shapes, tf.where(tf.equal(status, OK)[:, tf.newaxis], scales, 1.0), *others)
        return {**found, "status": status}

    return _signatures(serve_images, serve_bytes, batch_size, given)


def _write(signatures, models, base, version, warmup_size, facts=None):
    """Writes a version; with a warmup size (height, width), also warmup requests of that image size, and with facts."""
    base = pathlib.Path(base)
    if warmup_size is not None:
        requests = warmup_requests(base.name, signatures, warmup_size)

    def write(path):
        write_saved_model(path, signatures, models)
        if warmup_size is not None:
            write_warmup(path, requests)
        if facts is not None:
            write_description(path, facts)

    return publish(base, version, write)
