"""The choices of a two-stage detector, with their defaults."""

import dataclasses
import difflib
import math
import numbers

from keras_resnets.detection.heads import HEADS
from keras_resnets.errors import ArgumentError


@dataclasses.dataclass(frozen=True)
class CheckedOptions:
    """Options whose values are checked: what each may be is in the tables below."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):  # of a configuration that was JSON
                value = tuple(value)
                object.__setattr__(self, field.name, value)
            _check(field.name, field.default, value)

    def _check_order(self, first, low, second, high):
        if low > high:
            raise ArgumentError(
                f"{first}={getattr(self, first)} must not be larger than {second}={getattr(self, second)}, but {low} "
                f"is larger than {high}."
            )


@dataclasses.dataclass(frozen=True)
class RegionOptions(CheckedOptions):
    """The keyword arguments that all detectors have; the defaults are the papers', where they say one.

    Those of the sample of regions are of Faster R-CNN that is trained end to end.

    Attributes:
        head: the network of a region, from its pooled features (NoC, arXiv 1504.06066): None for the backbone's own,
            which is conv5 of residual nets and fc6 and fc7 of VGG and ZF; "mlp" for fully connected layers, "conv" for
            convolutions before them, "maxout" for two scales that are merged after the first of these convolutions.
            From the weights of VGG and ZF it takes fc6 and fc7 where they have the same size.
        head_layers: of a `head`: fully connected layers, 2 to 4, the classifier included.
        head_convolutions: of the heads "conv" and "maxout": 3x3 convolutions, 1 to 3, which begin as the identity.
        head_units: of each fully connected layer but the classifier.
        scales: rising factors of the image's size, at which features are computed; regions are found at 1, and have
            features of a few adjacent ones.
        scales_per_region: how many: the features are merged by maxout, whatever the head.
        canonical_size: square root of the area, in pixels, that a region should have at the scales it is given.
        global_context: whether the features of the whole image are added to those of every region (ResNet, arXiv
            1512.03385, appendix B).
        pool_size: bins of a region on each side; None for 14 for residual nets (whose paper does not state it), 7 for
            VGG, 6 for ZF.
        roi_foreground_iou: a region that overlaps an object so much is foreground.
        roi_background_iou: from which IoU on, and below which, a region is background.
        roi_batch_size: regions sampled from an image.
        roi_foreground_share: largest part of them that is foreground.
        roi_beta: of the smooth L1 loss.
        delta_stds: what the deltas of regions are divided by, to be learned.
        score_threshold: a detection's score is larger.
        detection_iou: above which IoU two detections of a class are taken for one.
        max_detections: of an image.
        voting_iou: from which IoU on the detections of a class correct the box of the one that is kept, by box voting;
            None for none.
        box_refinement: whether regions are pooled and classified once more from their corrected boxes, and both
            results count (ResNet, arXiv 1512.03385, appendix B).
        dropout_rate: after fc6 and fc7.
        train_batch_norm: whether batch normalization is trained. Otherwise its weights and statistics stay as they are,
            as in the paper, which makes sense with trained weights only. (`trainable = True` of the model or a part of
            it undoes that: Keras passes it on to every layer.)

    Raises:
        ArgumentError: (a ValueError) for a value that cannot work.
    """

    head: str | None = None
    head_layers: int = 3
    head_convolutions: int = 2
    head_units: int = 4096
    scales: tuple[float, ...] = (1.0,)
    scales_per_region: int = 2
    canonical_size: float = 224.0
    global_context: bool = False
    pool_size: int | None = None
    roi_foreground_iou: float = 0.5
    roi_background_iou: tuple[float, float] = (0.0, 0.5)
    roi_batch_size: int = 128
    roi_foreground_share: float = 0.25
    roi_beta: float = 1.0
    delta_stds: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    score_threshold: float = 0.05
    detection_iou: float = 0.3
    max_detections: int = 100
    voting_iou: float | None = None
    box_refinement: bool = False
    dropout_rate: float = 0.5
    train_batch_norm: bool = False

    def __post_init__(self):
        super().__post_init__()
        low, high = self.roi_background_iou
        self._check_order("roi_background_iou", high, "roi_foreground_iou", self.roi_foreground_iou)
        self._check_order("roi_background_iou", low, "roi_background_iou", high)
        self._check_head()

    def _check_head(self):
        if self.head is not None and self.head not in [*HEADS]:
            raise ArgumentError(f"head={self.head!r} is unknown: use {', '.join(map(repr, HEADS))} or None.")
        for name, limits in (("head_layers", (2, 4)), ("head_convolutions", (1, 3))):
            if not limits[0] <= getattr(self, name) <= limits[1]:
                raise ArgumentError(f"{name}={getattr(self, name)} must be from {limits[0]} to {limits[1]}.")
        for name, heads in (("head_layers", [*HEADS]), ("head_convolutions", ["conv", "maxout"])):
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


@dataclasses.dataclass(frozen=True)
class FastRCNNOptions(RegionOptions):
    """The keyword arguments of `keras_resnets.FastRCNN`: those of `RegionOptions`, with its paper's sample of regions.

    That is 64 regions of each of two images, of which background overlaps an object by an IoU from 0.1 on (arXiv
    1504.08083, section 2.3).
    """

    roi_background_iou: tuple[float, float] = (0.1, 0.5)
    roi_batch_size: int = 64


@dataclasses.dataclass(frozen=True)
class RCNNOptions(RegionOptions):
    """The keyword arguments of `keras_resnets.RCNN`: those of `RegionOptions`, and of its regions and its SVMs.

    The 128 regions of a step (arXiv 1311.2524, section 2.3) are 64 of each of two images, as Fast R-CNN's.

    Attributes:
        warp_size: side of the square that a region is warped to, in pixels.
        warp_context: pixels of it around the region, on each side.
        svm: whether detections have the scores and boxes of linear functions, which are trained after the network;
            otherwise those of the head, which then learns boxes with the classes, as Fast R-CNN's (and as the second
            stage of localization in ResNet, arXiv 1512.03385, appendix C).
    """

    roi_batch_size: int = 64
    warp_size: int = 227
    warp_context: int = 16
    svm: bool = True

    def __post_init__(self):
        super().__post_init__()
        if 2 * self.warp_context >= self.warp_size:
            raise ArgumentError(
                f"warp_context={self.warp_context} must be less than half of warp_size={self.warp_size}."
            )
        if self.scales != (1,):
            raise ArgumentError(f"scales={self.scales} cannot work: every region becomes an image of one size.")


@dataclasses.dataclass(frozen=True)
class SPPNetOptions(RegionOptions):
    """The keyword arguments of `keras_resnets.SPPNet`: those of `RegionOptions`, with the paper's, and its own.

    Its sample of regions is Fast R-CNN's: 64 of each of two images, background from an IoU of 0.1 on (arXiv 1406.4729,
    section 4.1).

    Attributes:
        pyramid: bins on each side, for each level of the pyramid; 1, 2, 3 and 6 make 50 bins.
        svm: as of `RCNNOptions`.
    """

    head: str | None = "mlp"
    roi_background_iou: tuple[float, float] = (0.1, 0.5)
    roi_batch_size: int = 64
    scales_per_region: int = 1
    pyramid: tuple[int, ...] = (1, 2, 3, 6)
    svm: bool = True

    def _check_head(self):
        super()._check_head()
        if self.head != "mlp":
            raise ArgumentError(f"head={self.head!r} cannot take a pyramid's vectors: leave it out, it is 'mlp'.")


@dataclasses.dataclass(frozen=True)
class AnchorOptions(CheckedOptions):
    """What a region proposal network and its anchors have in every model.

    Attributes:
        anchor_sizes: square roots of the anchors' areas, in pixels.
        anchor_ratios: their heights divided by their widths.
        anchor_offset: where in a cell their centres are: see `keras_resnets.layers.AnchorGenerator`.
        anchor_rounding: likewise.
        rpn_filters: of the proposal network's 3x3 convolution (256 for ZF and 512 for VGG in the paper).
        rpn_foreground_iou: an anchor that overlaps an object so much is foreground, as is every object's best one.
        rpn_background_iou: an anchor that overlaps every object less is background; between the two it does not count.
        cross_boundary_anchors: whether anchors that cross the image's border count in training.
        rpn_batch_size: anchors sampled from an image.
        rpn_foreground_share: largest part of them that is foreground.
        rpn_beta: of the smooth L1 loss: 1/9 is py-faster-rcnn's sigma of 3.
        proposal_iou: above which IoU non-maximum suppression takes two proposals for one.
        proposal_min_size: smallest side of a proposal, in pixels; 16 in the authors' code, which hides small objects.

    Raises:
        ArgumentError: (a ValueError) for a value that cannot work.
    """

    anchor_sizes: tuple[float, ...] = (128, 256, 512)
    anchor_ratios: tuple[float, ...] = (0.5, 1, 2)
    anchor_offset: float = 0.5
    anchor_rounding: str | None = None
    rpn_filters: int = 512
    rpn_foreground_iou: float = 0.7
    rpn_background_iou: float = 0.3
    cross_boundary_anchors: bool = False
    rpn_batch_size: int = 256
    rpn_foreground_share: float = 0.5
    rpn_beta: float = 1 / 9
    proposal_iou: float = 0.7
    proposal_min_size: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        self._check_order("rpn_background_iou", self.rpn_background_iou, "rpn_foreground_iou", self.rpn_foreground_iou)


@dataclasses.dataclass(frozen=True)
class Options(AnchorOptions, RegionOptions):
    """The keyword arguments of a detector that finds its regions itself: `RegionOptions`, `AnchorOptions`, and these.

    Attributes:
        train_before_nms: best boxes that non-maximum suppression compares in training, at most.
        train_after_nms: proposals that it leaves in training, at most.
        test_before_nms: as `train_before_nms`, at test time.
        test_after_nms: as `train_after_nms`, at test time.
        rpn_softmax: whether the proposal network has two scores for each anchor, of background and object, and their
            softmax, as in the paper and in Caffe; otherwise one and its sigmoid, which is as expressive. (The classes
            of a `Localizer` are logistic units in its paper, too.)

    Raises:
        ArgumentError: (a ValueError) for a value that cannot work.
    """

    train_before_nms: int = 12_000
    train_after_nms: int = 2_000
    test_before_nms: int = 6_000
    test_after_nms: int = 300
    rpn_softmax: bool = False


@dataclasses.dataclass(frozen=True)
class LocalizerOptions(AnchorOptions):
    """The keyword arguments of a localizer (ResNet, arXiv 1512.03385, appendix C): `AnchorOptions`, and these.

    Attributes:
        rpn_batch_size: anchors sampled from an image, for each of its classes.
        before_nms: best boxes of a class that non-maximum suppression compares, at most.
        after_nms: proposals of a class that it leaves, at most.
        train_batch_norm: see `RegionOptions`.

    Raises:
        ArgumentError: (a ValueError) for a value that cannot work.
    """

    rpn_batch_size: int = 8
    before_nms: int = 6_000
    after_nms: int = 200
    train_batch_norm: bool = False


KINDS = {
    "a positive integer": lambda value: isinstance(value, numbers.Integral) and value > 0 and value is not True,
    "an integer from 0 on": lambda value: isinstance(value, numbers.Integral) and value >= 0 and value is not True,
    "a positive number": lambda value: isinstance(value, numbers.Real) and 0 < value < math.inf,
    "a number from 0 on": lambda value: isinstance(value, numbers.Real) and 0 <= value < math.inf,
    "a number in [0, 1]": lambda value: isinstance(value, numbers.Real) and 0 <= value <= 1,
    "a number in [0, 1)": lambda value: isinstance(value, numbers.Real) and 0 <= value < 1,
    "True or False": lambda value: isinstance(value, bool),
}
KIND_OF = {
    "canonical_size": "a positive number",
    "pyramid": "a positive integer",
    "warp_context": "an integer from 0 on",
    "pool_size": "a positive integer",
    "voting_iou": "a number in [0, 1]",
    "anchor_offset": "a number from 0 on",
    "rpn_beta": "a positive number",
    "roi_beta": "a positive number",
    "proposal_min_size": "a number from 0 on",
    "roi_background_iou": "a number in [0, 1]",
    "dropout_rate": "a number in [0, 1)",
}
ANY_LENGTH = ("anchor_sizes", "anchor_ratios", "scales", "pyramid")
KIND_OF_DEFAULT = {
    bool: "True or False",
    int: "a positive integer",
    float: "a number in [0, 1]",
    tuple: "a positive number",
}


def _check(name, default, value):
    """Raises ArgumentError for a value that an option cannot have."""
    if name in ("anchor_rounding", "head") or (default is None and value is None):
        return  # The first is the anchors' own to check, and the second has a table.
    kind = KIND_OF.get(name) or KIND_OF_DEFAULT[type(default)]
    if isinstance(default, tuple):
        right = isinstance(value, tuple) and all(map(KINDS[kind], value))
        right = right and (len(value) == len(default) or (name in ANY_LENGTH and value))
        kind = f"a list, each {kind}" if name in ANY_LENGTH else f"a list of {len(default)}, each {kind}"
    else:
        right = KINDS[kind](value)
    if not right:
        raise ArgumentError(f"{name}={value!r} must be {kind}.")


def make_options(arguments, kind=Options):
    """Returns the options of a dict of keyword arguments, or raises ArgumentError for a name that is unknown.

    Args:
        arguments: the dict.
        kind: `Options`, or another class of this module.
    """
    names = [field.name for field in dataclasses.fields(kind)]
    for name in arguments:
        if name not in names:
            close = difflib.get_close_matches(name, names) or names
            raise ArgumentError(f"{name}={arguments[name]!r} is no argument of this model: use {', '.join(close)}.")
    return kind(**arguments)
