"""The choices of a two-stage detector, with their defaults."""

import dataclasses
import difflib
import numbers

from keras_resnets.errors import ArgumentError


@dataclasses.dataclass(frozen=True)
class Options:
    """The keyword arguments of a detector; the defaults are the papers', where they say one.

    Attributes:
        pool_size: bins of a region on each side; None for 14 for residual nets (whose paper does not state it), 7 for
            VGG, 6 for ZF.
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
        train_before_nms: best boxes that non-maximum suppression compares in training, at most.
        train_after_nms: proposals that it leaves in training, at most.
        test_before_nms: as `train_before_nms`, at test time.
        test_after_nms: as `train_after_nms`, at test time.
        proposal_iou: from which IoU on it takes two proposals for one.
        proposal_min_size: smallest side of a proposal, in pixels; 16 in the authors' code, which hides small objects.
        roi_foreground_iou: a region that overlaps an object so much is foreground.
        roi_background_iou: from which IoU on, and below which, a region is background.
        roi_batch_size: regions sampled from an image.
        roi_foreground_share: largest part of them that is foreground.
        roi_beta: of the smooth L1 loss.
        delta_stds: what the deltas of regions are divided by, to be learned.
        score_threshold: a detection's score is larger.
        detection_iou: from which IoU on two detections of a class are taken for one.
        max_detections: of an image.
        dropout_rate: after fc6 and fc7.
        train_batch_norm: whether batch normalization is trained. Otherwise its weights and statistics stay as they are,
            as in the paper, which makes sense with trained weights only.

    Raises:
        ArgumentError: (a ValueError) for a value that cannot work.
    """

    pool_size: int | None = None
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
    train_before_nms: int = 12_000
    train_after_nms: int = 2_000
    test_before_nms: int = 6_000
    test_after_nms: int = 300
    proposal_iou: float = 0.7
    proposal_min_size: float = 0.0
    roi_foreground_iou: float = 0.5
    roi_background_iou: tuple[float, float] = (0.0, 0.5)
    roi_batch_size: int = 128
    roi_foreground_share: float = 0.25
    roi_beta: float = 1.0
    delta_stds: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    score_threshold: float = 0.05
    detection_iou: float = 0.3
    max_detections: int = 100
    dropout_rate: float = 0.5
    train_batch_norm: bool = False

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):  # of a configuration that was JSON
                value = tuple(value)
                object.__setattr__(self, field.name, value)
            self._check(field.name, field.default, value)
        if self.rpn_background_iou > self.rpn_foreground_iou:
            raise ArgumentError(
                f"rpn_background_iou={self.rpn_background_iou} must not be larger than "
                f"rpn_foreground_iou={self.rpn_foreground_iou}."
            )

    def _check(self, name, default, value):
        """Raises ArgumentError for a value of another kind or range than the default's."""
        if isinstance(default, tuple):
            right = isinstance(value, tuple) and all(isinstance(v, numbers.Real) and v >= 0 for v in value)
            right = right and len(value) > 0 and (name.startswith("anchor") or len(value) == len(default))
            kind = "numbers" if name.startswith("anchor") else f"{len(default)} numbers"
        elif isinstance(default, bool) or default is None:
            return
        elif isinstance(default, int):
            right, kind = isinstance(value, numbers.Integral) and value > 0, "a positive integer"
        else:
            right = isinstance(value, numbers.Real) and 0 <= value
            right = right and (value <= 1 or name in ("rpn_beta", "roi_beta", "proposal_min_size"))
            kind = "a number in [0, 1]" if name not in ("rpn_beta", "roi_beta", "proposal_min_size") else "positive"
        if not right:
            raise ArgumentError(f"{name}={value!r} must be {kind}.")


def make_options(arguments):
    """Returns the `Options` of a dict of keyword arguments, or raises ArgumentError for a name that is unknown."""
    names = [field.name for field in dataclasses.fields(Options)]
    for name in arguments:
        if name not in names:
            close = difflib.get_close_matches(name, names) or names
            raise ArgumentError(f"{name} is no argument of a detector: use {', '.join(close)}.")
    return Options(**arguments)
