"""The options of two-stage detectors: their defaults, their ranges and their documentation.

The text of an option is metadata of its field; the classes' docstrings and the trainers' flags show it. This module
does not load TensorFlow.
"""

import dataclasses
import difflib
import functools
import inspect
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from keras_resnets.deprecation import moved_names, with_new_names
from keras_resnets.errors import ArgumentError
from keras_resnets.values import (
    BOOLEAN,
    FRACTION,
    NON_NEGATIVE,
    NON_NEGATIVE_INTEGER,
    POSITIVE,
    POSITIVE_INTEGER,
    RATE,
    Values,
    integer_in,
    list_of,
    one_of,
)

# New names by the old ones, which the next release does not accept.
OLD_NAMES = {
    "after_nms": "post_nms_topk",
    "before_nms": "pre_nms_topk",
    "detection_iou": "nms_threshold",
    "proposal_iou": "rpn_nms_threshold",
    "roi_beta": "roi_smooth_l1_beta",
    "roi_foreground_share": "roi_positive_fraction",
    "rpn_beta": "rpn_smooth_l1_beta",
    "rpn_foreground_share": "rpn_positive_fraction",
    "test_after_nms": "test_post_nms_topk",
    "test_before_nms": "test_pre_nms_topk",
    "train_after_nms": "train_post_nms_topk",
    "train_before_nms": "train_pre_nms_topk",
}
HEADS = ("mlp", "conv", "conv_bn", "maxout")
ROI_POOLING = {"max": "RoIPooling", "align": "RoIAlign"}  # names of `keras_resnets.layers`
WIDTH = 120  # characters of a docstring's line


def option(default: Any, values: Values, help: str) -> Any:
    """Returns the field of an option.

    Args:
        default: its value where none is given; None allows None besides `values`.
        values: what it can be.
        help: its documentation, in sentences.
    """
    return dataclasses.field(default=default, metadata={"values": values, "help": help})


def _with_default(owner: type, name: str, default: Any) -> Any:
    """Returns the field of an option of another class, with another default."""
    field = next(field for field in dataclasses.fields(owner) if field.name == name)
    return dataclasses.field(default=default, metadata=field.metadata)


def describe(options_class: type) -> str:
    """Returns the documentation of all options of a class, as a section of a docstring has it."""
    fields = dataclasses.fields(options_class)
    return "\n".join(_described(field.name, field.metadata["help"], repr(field.default)) for field in fields)


@functools.cache  # Most options are in several classes.
def _described(name: str, help: str, default: str) -> str:
    text = f"{name}: {help} Default: {default}."
    return textwrap.fill(text, WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8, break_on_hyphens=False)


Class = TypeVar("Class", bound=type)


def _documented(options_class: Class) -> Class:
    """Adds all options to the docstring of a class of options."""
    text = inspect.cleandoc(options_class.__doc__ or "")
    options_class.__doc__ = (
        f"{text}\n\nAttributes:\n{describe(options_class)}\n\n"
        "Raises:\n    ArgumentError: (a ValueError) for a value that is out of range, or does not fit the others."
    )
    return options_class


@dataclasses.dataclass(frozen=True)
class CheckedOptions:
    """Options whose values are checked."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):  # JSON has no tuples.
                value = tuple(value)
                object.__setattr__(self, field.name, value)
            values, is_optional = field.metadata["values"], field.default is None
            if not values.contain(value) and not (is_optional and value is None):
                raise ArgumentError(f"{field.name}={value!r} must be {values.text}{' or None' if is_optional else ''}.")

    def _check_order(self, first: str, low: float, second: str, high: float) -> None:
        if low > high:
            raise ArgumentError(
                f"{first}={getattr(self, first)} must not be larger than {second}={getattr(self, second)}, but {low} "
                f"is larger than {high}."
            )


@_documented
@dataclasses.dataclass(frozen=True)
class RegionOptions(CheckedOptions):
    """The options of all detectors.

    The defaults are those of the papers. The sample of regions is that of end-to-end training of Faster R-CNN.
    """

    head: str | None = option(
        None,
        one_of(*HEADS),
        "The network that classifies a region from its pooled features (NoC, arXiv 1504.06066): 'mlp' has fully "
        "connected layers, 'conv' has convolutions before them, 'conv_bn' has batch normalization after each of these "
        "convolutions, which is always trained, and 'maxout' merges two scales after the first convolution. None takes "
        "the backbone's own: conv5 of residual nets, fc6 and fc7 of VGG and ZF. A head takes fc6 and fc7 from weights "
        "of VGG and ZF if they have the same size.",
    )
    head_layers: int = option(3, integer_in(2, 4), "Number of fully connected layers of `head`, with the classifier.")
    head_convolutions: int = option(
        2,
        integer_in(1, 4),
        "Number of 3x3 convolutions of the heads 'conv', 'conv_bn' and 'maxout'. Those without batch normalization are "
        "initialized as the identity.",
    )
    head_units: int = option(
        4096, POSITIVE_INTEGER, "Units of each fully connected layer of `head`, except the classifier."
    )
    scales: tuple[float, ...] = option(
        (1.0,),
        list_of(POSITIVE),
        "Factors of the image size at which features are computed, in rising order; one of them is 1. Proposals are "
        "made at 1, and each region is pooled at a few adjacent scales.",
    )
    scales_per_region: int = option(
        2, POSITIVE_INTEGER, "Number of scales at which a region is pooled. Their features are merged by maxout."
    )
    canonical_size: float = option(
        224.0,
        POSITIVE,
        "Square root of the area, in pixels, that a region should have at the scales at which it is pooled.",
    )
    global_context: bool = option(
        False,
        BOOLEAN,
        "Whether the features of the whole image are concatenated to those of each region (ResNet, arXiv 1512.03385, "
        "appendix B).",
    )
    pool_size: int | None = option(
        None,
        POSITIVE_INTEGER,
        "Number of bins on each side of a pooled region. None is 14 for residual nets (their paper does not give it), "
        "7 for VGG and 6 for ZF.",
    )
    roi_foreground_iou: float = option(
        0.5, FRACTION, "A region is foreground if its IoU with an object is at least this."
    )
    roi_background_iou: tuple[float, float] = option(
        (0.0, 0.5),
        list_of(FRACTION, 2),
        "A region is background if its largest IoU with an object is in this half-open interval.",
    )
    roi_batch_size: int = option(128, POSITIVE_INTEGER, "Number of regions sampled from each image for training.")
    roi_positive_fraction: float = option(
        0.25, FRACTION, "Largest fraction of foreground among the sampled regions of an image."
    )
    roi_smooth_l1_beta: float = option(
        1.0, POSITIVE, "Beta of the smooth L1 loss of regions: it is quadratic below and linear above."
    )
    delta_stds: tuple[float, float, float, float] = option(
        (0.1, 0.1, 0.2, 0.2),
        list_of(POSITIVE, 4),
        "Standard deviations of the deltas x, y, w, h of regions. The regression targets are divided by them.",
    )
    score_threshold: float = option(0.05, FRACTION, "Detections have scores above this.")
    nms_threshold: float = option(
        0.3,
        FRACTION,
        "IoU threshold of non-maximum suppression: of two detections of a class with a larger IoU, the one with the "
        "lower score is dropped.",
    )
    max_detections: int = option(100, POSITIVE_INTEGER, "Largest number of detections in an image.")
    voting_iou: float | None = option(
        None,
        FRACTION,
        "IoU threshold of box voting: a detection's box becomes the mean, weighted by scores, of the boxes of its "
        "class whose IoU with it is at least this (MR-CNN, arXiv 1505.01749). None turns box voting off.",
    )
    box_refinement: bool = option(
        False,
        BOOLEAN,
        "Whether regions are pooled and classified a second time at their regressed boxes, and both results go to "
        "non-maximum suppression (ResNet, arXiv 1512.03385, appendix B).",
    )
    dropout_rate: float = option(0.5, RATE, "Dropout rate after fc6 and fc7.")
    train_batch_norm: bool = option(
        False,
        BOOLEAN,
        "Whether the backbone's batch normalization is trained. If not, its weights and statistics are frozen, as in "
        "the paper, which needs pretrained weights. To train it later, set `trainable = True` on its layers.",
    )

    def __post_init__(self):
        super().__post_init__()
        low, high = self.roi_background_iou
        self._check_order("roi_background_iou", high, "roi_foreground_iou", self.roi_foreground_iou)
        self._check_order("roi_background_iou", low, "roi_background_iou", high)
        self._check_head()

    def _check_head(self) -> None:
        for name, heads in (("head_layers", HEADS), ("head_convolutions", HEADS[1:])):
            if self.head not in heads and getattr(self, name) != getattr(RegionOptions, name):
                raise ArgumentError(
                    f"{name}={getattr(self, name)} has no effect with head={self.head!r}: leave it out, or pass head="
                    f"{' or '.join(map(repr, heads))}."
                )
        if 1 not in self.scales or list(self.scales) != sorted(set(self.scales)):
            raise ArgumentError(f"scales={self.scales} must rise, and 1 must be one of them.")
        if self.head == "maxout" and min(len(self.scales), self.scales_per_region) < 2:
            raise ArgumentError(
                f"head='maxout' merges two scales, with scales={self.scales} and "
                f"scales_per_region={self.scales_per_region} there is one: pass scales=(1.0, 2.0), for example."
            )


@_documented
@dataclasses.dataclass(frozen=True)
class FastRCNNOptions(RegionOptions):
    """The options of `keras_resnets.FastRCNN`.

    The sample of regions is the paper's (arXiv 1504.08083, section 2.3): 64 regions from each of two images, and
    background with an IoU of at least 0.1.
    """

    roi_background_iou: tuple[float, float] = _with_default(RegionOptions, "roi_background_iou", (0.1, 0.5))
    roi_batch_size: int = _with_default(RegionOptions, "roi_batch_size", 64)


@_documented
@dataclasses.dataclass(frozen=True)
class RCNNOptions(RegionOptions):
    """The options of `keras_resnets.RCNN`.

    The 128 regions of a training step (arXiv 1311.2524, section 2.3) are 64 from each of two images, as for Fast R-CNN.
    """

    roi_batch_size: int = _with_default(RegionOptions, "roi_batch_size", 64)
    warp_size: int = option(227, POSITIVE_INTEGER, "Side of the square to which each region is warped, in pixels.")
    warp_context: int = option(
        16, NON_NEGATIVE_INTEGER, "Context on each side of the region in the warped square, in pixels of the square."
    )
    svm: bool = option(
        True,
        BOOLEAN,
        "Whether linear SVMs score regions and linear regressors correct boxes; they are trained after the network. If "
        "not, the network's head does both, as in Fast R-CNN (and in the second stage of localization in ResNet, arXiv "
        "1512.03385, appendix C).",
    )

    def __post_init__(self):
        super().__post_init__()
        if 2 * self.warp_context >= self.warp_size:
            raise ArgumentError(
                f"warp_context={self.warp_context} must be less than half of warp_size={self.warp_size}."
            )
        if self.scales != (1,):
            raise ArgumentError(f"scales={self.scales} cannot work: every region becomes an image of one size.")


@_documented
@dataclasses.dataclass(frozen=True)
class SPPNetOptions(RegionOptions):
    """The options of `keras_resnets.SPPNet`.

    The sample of regions is that of Fast R-CNN: 64 regions from each of two images, and background with an IoU of at
    least 0.1 (arXiv 1406.4729, section 4.1).
    """

    head: str = option(
        "mlp", one_of("mlp"), "The network that classifies a region: fully connected layers on its pyramid's vector."
    )
    roi_background_iou: tuple[float, float] = _with_default(RegionOptions, "roi_background_iou", (0.1, 0.5))
    roi_batch_size: int = _with_default(RegionOptions, "roi_batch_size", 64)
    scales_per_region: int = _with_default(RegionOptions, "scales_per_region", 1)
    pyramid: tuple[int, ...] = option(
        (1, 2, 3, 6),
        list_of(POSITIVE_INTEGER),
        "Number of bins on each side at each level of the pyramid. The paper's 1, 2, 3 and 6 make 50 bins.",
    )
    svm: bool = _with_default(RCNNOptions, "svm", True)


@_documented
@dataclasses.dataclass(frozen=True)
class AnchorOptions(CheckedOptions):
    """The options of anchors and of the region proposal network (RPN), for all models that have them."""

    anchor_sizes: tuple[float, ...] = option(
        (128, 256, 512), list_of(POSITIVE), "Square roots of the areas of anchors, in pixels."
    )
    anchor_ratios: tuple[float, ...] = option(
        (0.5, 1, 2), list_of(POSITIVE), "Aspect ratios of anchors: height divided by width."
    )
    anchor_offset: float = option(
        0.5,
        NON_NEGATIVE,
        "Position of an anchor's center in its cell, in strides: 0.5 is the middle of the cell, 0 its upper left "
        "corner (torchvision, detectron2).",
    )
    anchor_rounding: str | None = option(
        None,
        one_of("corners", "sizes"),
        "How anchors are rounded to pixels: 'corners' as in torchvision, 'sizes' as in py-faster-rcnn. None does not "
        "round.",
    )
    rpn_filters: int = option(
        512, POSITIVE_INTEGER, "Filters of the RPN's 3x3 convolution. The paper has 256 for ZF and 512 for VGG."
    )
    rpn_foreground_iou: float = option(
        0.7,
        FRACTION,
        "An anchor is foreground if its IoU with an object is at least this, or is the largest of all anchors with "
        "that object.",
    )
    rpn_background_iou: float = option(
        0.3,
        FRACTION,
        "An anchor is background if its IoU with every object is less than this. Anchors between the two thresholds "
        "are ignored in training.",
    )
    cross_boundary_anchors: bool = option(
        False, BOOLEAN, "Whether anchors that cross the image boundary take part in training."
    )
    rpn_batch_size: int = option(256, POSITIVE_INTEGER, "Number of anchors sampled from each image for training.")
    rpn_positive_fraction: float = option(
        0.5, FRACTION, "Largest fraction of foreground among the sampled anchors of an image."
    )
    rpn_smooth_l1_beta: float = option(
        1 / 9,
        POSITIVE,
        "Beta of the smooth L1 loss of anchors: it is quadratic below and linear above. 1/9 is sigma = 3 in "
        "py-faster-rcnn.",
    )
    rpn_nms_threshold: float = option(
        0.7,
        FRACTION,
        "IoU threshold of non-maximum suppression of proposals: of two with a larger IoU, the one with the lower score "
        "is dropped.",
    )
    proposal_min_size: float = option(
        0.0,
        NON_NEGATIVE,
        "Smallest width and height of a proposal, in pixels. The authors' code has 16, which loses small objects.",
    )

    def __post_init__(self):
        super().__post_init__()
        self._check_order("rpn_background_iou", self.rpn_background_iou, "rpn_foreground_iou", self.rpn_foreground_iou)


@_documented
@dataclasses.dataclass(frozen=True)
class FasterRCNNOptions(AnchorOptions, RegionOptions):
    """The options of `keras_resnets.FasterRCNN`: those of regions, of anchors, and of proposals."""

    train_pre_nms_topk: int = option(
        12_000, POSITIVE_INTEGER, "Number of top-scoring proposals kept before non-maximum suppression in training."
    )
    train_post_nms_topk: int = option(
        2_000, POSITIVE_INTEGER, "Number of top-scoring proposals kept after non-maximum suppression in training."
    )
    test_pre_nms_topk: int = option(
        6_000, POSITIVE_INTEGER, "Number of top-scoring proposals kept before non-maximum suppression in inference."
    )
    test_post_nms_topk: int = option(
        300, POSITIVE_INTEGER, "Number of top-scoring proposals kept after non-maximum suppression in inference."
    )
    rpn_softmax: bool = option(
        False,
        BOOLEAN,
        "Whether the RPN has two logits for each anchor, background and object, with a softmax, as in the paper and in "
        "Caffe. If not, it has one with a sigmoid, which represents the same functions.",
    )


@_documented
@dataclasses.dataclass(frozen=True)
class FPNOptions(FasterRCNNOptions):
    """The options of `keras_resnets.FasterRCNN` with `neck="fpn"`.

    The defaults are those of the paper (arXiv 1612.03144, section 4) and, where it gives none, of torchvision's
    `fasterrcnn_resnet50_fpn`; but for the places of anchors and samples and the box loss of regions, which are those of
    `FasterRCNNOptions`. The rows of `keras_resnets.detection.registry.DETECTORS` have torchvision's.
    """

    head: str = option(
        "mlp",
        one_of("mlp", "conv", "conv_bn"),
        "The network of regions: 'mlp' has fully connected layers; 'conv' has 3x3 convolutions before them, which "
        "start as the identity, and 'conv_bn' has convolutions with batch normalization, which is always trained.",
    )
    pool_size: int | None = option(
        None, POSITIVE_INTEGER, "Number of bins on each side of a pooled region. None is 7 (arXiv 1612.03144, 4.2)."
    )
    canonical_size: float = option(
        224.0,
        POSITIVE,
        "Square root of the area, in pixels, of regions that are pooled at the level of stride 16; regions of half the "
        "side are pooled one level below it.",
    )
    head_units: int = _with_default(RegionOptions, "head_units", 1024)
    dropout_rate: float = _with_default(RegionOptions, "dropout_rate", 0.0)
    roi_batch_size: int = _with_default(RegionOptions, "roi_batch_size", 512)
    nms_threshold: float = _with_default(RegionOptions, "nms_threshold", 0.5)
    anchor_sizes: tuple[float, ...] = option(
        (32, 64, 128, 256, 512),
        list_of(POSITIVE),
        "Square roots of the areas of anchors, in pixels, one for each level, the finest first.",
    )
    rpn_filters: int = _with_default(AnchorOptions, "rpn_filters", 256)
    cross_boundary_anchors: bool = _with_default(AnchorOptions, "cross_boundary_anchors", True)
    train_pre_nms_topk: int = option(
        2_000,
        POSITIVE_INTEGER,
        "Number of top-scoring proposals of each level kept before non-maximum suppression in training.",
    )
    test_pre_nms_topk: int = option(
        1_000,
        POSITIVE_INTEGER,
        "Number of top-scoring proposals of each level kept before non-maximum suppression in inference.",
    )
    test_post_nms_topk: int = _with_default(FasterRCNNOptions, "test_post_nms_topk", 1_000)
    fpn_filters: int = option(256, POSITIVE_INTEGER, "Channels of all maps of the pyramid.")
    fpn_batch_norm: bool = option(
        False,
        BOOLEAN,
        "Whether the pyramid's convolutions have batch normalization, which is always trained, instead of a bias.",
    )
    roi_aligned: bool = option(
        True,
        BOOLEAN,
        "Whether RoIAlign takes a cell for a point in the cell's middle, as detectron2 does, or in its upper left "
        "corner, as torchvision does.",
    )
    rpn_convolutions: int = option(1, integer_in(1, 4), "Number of 3x3 convolutions of the RPN.")
    anchor_floor_strides: bool = option(
        False,
        BOOLEAN,
        "Whether the stride of a level's anchors is the canvas's side divided by the map's and rounded down, as in "
        "torchvision. It is less than the level's stride where a map's side is odd.",
    )


@_documented
@dataclasses.dataclass(frozen=True)
class MaskRCNNOptions(FPNOptions):
    """The options of `keras_resnets.MaskRCNN`: those of a feature pyramid, and of the mask head."""

    mask_filters: int = option(256, POSITIVE_INTEGER, "Filters of each convolution of the mask head.")
    mask_batch_norm: bool = option(
        False,
        BOOLEAN,
        "Whether the mask head's convolutions have batch normalization, which is always trained, instead of a bias.",
    )


@_documented
@dataclasses.dataclass(frozen=True)
class LocalizerOptions(AnchorOptions):
    """The options of `keras_resnets.Localizer` (ResNet, arXiv 1512.03385, appendix C)."""

    rpn_batch_size: int = option(
        8, POSITIVE_INTEGER, "Number of anchors sampled from each image for each of its classes."
    )
    pre_nms_topk: int = option(
        6_000, POSITIVE_INTEGER, "Number of top-scoring proposals of a class kept before non-maximum suppression."
    )
    post_nms_topk: int = option(
        200, POSITIVE_INTEGER, "Number of top-scoring proposals of a class kept after non-maximum suppression."
    )
    train_batch_norm: bool = _with_default(RegionOptions, "train_batch_norm", False)


def with_new_option_names(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options that an older version has written, by their present names."""
    return with_new_names(options, OLD_NAMES)


def make_options(arguments: Mapping[str, Any], kind: type = FasterRCNNOptions) -> Any:
    """Returns the options that keyword arguments give; an old name causes a FutureWarning.

    Args:
        arguments: values by name.
        kind: the class of the options.

    Raises:
        ArgumentError: (a ValueError) for an unknown name, or a value that cannot work.
    """
    arguments = with_new_names(arguments, OLD_NAMES, warn=True)
    names = [field.name for field in dataclasses.fields(kind)]
    for name in arguments:
        if name not in names:
            close = difflib.get_close_matches(name, names) or names
            raise ArgumentError(f"{name}={arguments[name]!r} is not an argument of this model: use {', '.join(close)}.")
    return kind(**arguments)


if not TYPE_CHECKING:  # Type checkers would accept any name of a module with this function.
    __getattr__ = moved_names(__name__, {"Options": "keras_resnets.detection.options.FasterRCNNOptions"})
