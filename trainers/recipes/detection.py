"""Recipes of detectors."""

import dataclasses

from keras_resnets.detection.options import FastRCNNOptions, FPNOptions, MaskRCNNOptions
from trainers.recipes.recipe import BoxRecipe, Recipe

# Fast R-CNN (arXiv 1504.08083, section 2.3, and its author's code): 30,000 steps of two images, and 10,000 with a tenth
# of the learning rate. Biases learn twice as fast, and do not decay.
_FAST_RCNN = Recipe(
    batch_size=2,
    epochs=None,
    steps=40_000,
    learning_rate=1e-3,
    schedule="steps",
    drops=(3 / 4,),
    weight_decay=5e-4,
    bias_learning_rate=2.0,
    augmentation="flip",
)

# py-faster-rcnn's end-to-end configuration for PASCAL VOC: 70,000 steps of two images, a tenth of the learning rate
# after 50,000. Biases decay, too.
_FASTER_RCNN = dataclasses.replace(_FAST_RCNN, steps=70_000, drops=(5 / 7,), decay="all")

# ResNet (arXiv 1512.03385, appendix A) for COCO: 240,000 steps, and 80,000 with a tenth of the learning rate. There the
# two networks had batches of 8 and 16 images; joint training has one of 8. The appendix gives no weight decay: it is
# Faster R-CNN's, and not the 1e-4 that the paper's nets have for classification.
_FASTER_RCNN_COCO = dataclasses.replace(_FASTER_RCNN, batch_size=8, steps=320_000, drops=(3 / 4,))

# FPN (arXiv 1612.03144, section 5.2) for COCO: 60,000 steps of 16 images with a learning rate of 0.02, and 20,000 with
# a tenth of it. These are as many images, two in a step with an eighth of the learning rate (arXiv 1706.02677, section
# 2.1). The paper has no warm-up.
_FASTER_RCNN_FPN = dataclasses.replace(
    _FASTER_RCNN,
    steps=640_000,
    learning_rate=2.5e-3,
    drops=(3 / 4,),
    warmup_steps=500,
    weight_decay=1e-4,
    bias_learning_rate=1.0,
)

# Both papers have a short side of 800 pixels; the limit is that of the authors' code.
_FPN_SIDES = 800, 1333

# Stages that these papers do not train if they start from trained weights (arXiv 1504.08083, section 4.5).
_FROZEN = {"vgg16": ("conv1", "conv2"), "vgg19": ("conv1", "conv2")}
_COCO_ANCHORS = {"anchor_sizes": (64, 128, 256, 512)}
_OF_ONE_MAP = {FPNOptions: {}, MaskRCNNOptions: {}}  # A pyramid has other anchors and samples.

_DIGIT_SCENES = Recipe(
    batch_size=4,
    epochs=12,
    steps=None,
    learning_rate=1e-3,
    schedule="cosine",
    warmup_steps=200,
    optimizer="adam",
    weight_decay=1e-4,
    augmentation="none",
)


def _of_digit_scenes(recipe, roi_batch_size):
    options = {
        "anchor_sizes": (24, 40, 64, 96),  # of a pyramid: those of its levels, on a net of three stages
        "anchor_ratios": (1, 1.6, 2.4),
        "rpn_filters": 128,
        "head_units": 256,
        "canonical_size": 64.0,
        "warp_size": 64,
        "warp_context": 5,  # as large a part as 16 of 227
        "roi_batch_size": roi_batch_size,
        "roi_positive_fraction": 0.5,
        "pool_size": 7,
        "train_pre_nms_topk": 1_000,
        "train_post_nms_topk": 200,
        "test_pre_nms_topk": 1_000,
        "test_post_nms_topk": 100,
    }
    options_of = {
        # Trained from scratch, Fast R-CNN has to learn what is no object at all.
        FastRCNNOptions: {**options, "roi_background_iou": (0.0, 0.5)},
        FPNOptions: {**options, "fpn_filters": 128},
        MaskRCNNOptions: {**options, "fpn_filters": 128, "mask_filters": 64},
    }
    return BoxRecipe(recipe, options, options_of)


RECIPES = {
    # R-CNN (arXiv 1311.2524, section 2.3, and the authors' code): a tenth of the learning rate every 20,000 steps. Its
    # 128 regions were drawn from all images; here they are 64 from each of two. (In the code, the learning rate of the
    # new classifier is ten times as high: --stage_learning_rates=class=10.)
    "rcnn": BoxRecipe(dataclasses.replace(_FAST_RCNN, steps=70_000, drops=(2 / 7, 4 / 7, 6 / 7))),
    # SPPnet (arXiv 1406.4729, section 4.1): 250,000 steps, and 50,000 with a tenth of the learning rate. The 128
    # regions are from two images here, too. In the authors' code, the biases of fc6 and fc7 decay.
    "spp_net": BoxRecipe(
        dataclasses.replace(_FAST_RCNN, steps=300_000, learning_rate=1e-4, drops=(5 / 6,), decay="all")
    ),
    "fast_rcnn": BoxRecipe(_FAST_RCNN, frozen=_FROZEN),
    # The authors' code has 240,000 steps for COCO, a tenth of the learning rate after 160,000.
    "fast_rcnn_coco": BoxRecipe(dataclasses.replace(_FAST_RCNN, steps=240_000, drops=(2 / 3,)), frozen=_FROZEN),
    "faster_rcnn": BoxRecipe(_FASTER_RCNN, frozen=_FROZEN),
    "faster_rcnn_coco": BoxRecipe(_FASTER_RCNN_COCO, _COCO_ANCHORS, _OF_ONE_MAP, frozen=_FROZEN),
    "faster_rcnn_fpn": BoxRecipe(_FASTER_RCNN_FPN, sides=_FPN_SIDES),
    # Mask R-CNN (arXiv 1703.06870, section 3.1) for COCO: 160,000 steps of 16 images, a tenth of the learning rate
    # after 120,000, otherwise as FPN. These are as many images, two in a step.
    "mask_rcnn_fpn": BoxRecipe(dataclasses.replace(_FASTER_RCNN_FPN, steps=1_280_000), sides=_FPN_SIDES),
    # Alternating training (arXiv 1506.01497, sections 3.1.3 and 3.2). The steps for proposals have 60,000 steps of one
    # image, and 20,000 with a tenth of the learning rate. Those for regions are Fast R-CNN's, 40,000 of two images.
    "faster_rcnn_alternating": BoxRecipe(
        dataclasses.replace(_FASTER_RCNN, batch_size=1, steps=80_000, drops=(3 / 4,)),
        {"roi_batch_size": 64, "roi_background_iou": (0.1, 0.5)},
        _OF_ONE_MAP,
        frozen=_FROZEN,
        region_steps=(1 / 2, 2),
    ),
    # For COCO, background is an IoU of less than 0.5 in any case (arXiv 1506.01497, section 4.2). The steps for regions
    # have 320,000 steps of 16 images.
    "faster_rcnn_alternating_coco": BoxRecipe(
        _FASTER_RCNN_COCO, {"roi_batch_size": 64, **_COCO_ANCHORS}, _OF_ONE_MAP, frozen=_FROZEN, region_steps=(1, 2)
    ),
    # Small scenes, from scratch, on two cores within half an hour. Digits must not be mirrored.
    "digit_scenes": _of_digit_scenes(_DIGIT_SCENES, roi_batch_size=32),
    # A fifth of its epochs, for a mAP@.5 of 0.95: steps of half as many images with four times the learning rate, and
    # twice as many regions of an image, which cost little beside the trunk.
    "digit_scenes_short": _of_digit_scenes(
        dataclasses.replace(_DIGIT_SCENES, batch_size=2, epochs=2.5, learning_rate=4e-3, warmup_steps=100),
        roi_batch_size=64,
    ),
}


def default_recipe(dataset: str, system: str = "faster_rcnn", alternating: bool = False) -> str:
    """Returns the name of a detector's recipe for values of --dataset, --system and --alternating."""
    if dataset in ("digit_scenes", "one_digit_scenes"):
        return "digit_scenes"
    name = f"{system}_alternating" if alternating else system
    of_coco = f"{name}_coco"
    return of_coco if dataset.startswith(("coco:", "tfds:coco")) and of_coco in RECIPES else name
