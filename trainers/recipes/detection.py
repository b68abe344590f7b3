"""Recipes of detectors."""

import dataclasses

from keras_resnets.detection import FastRCNNOptions
from trainers.recipes.recipe import Recipe

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
# two networks had batches of 8 and 16 images; joint training has one of 8. The appendix names no weight decay: it is
# Faster R-CNN's, and not the 1e-4 that the paper's nets have for classification.
_FASTER_RCNN_COCO = dataclasses.replace(_FASTER_RCNN, batch_size=8, steps=320_000, drops=(3 / 4,))


DETECTION_RECIPES = {
    # R-CNN (arXiv 1311.2524, section 2.3, and the authors' code): a tenth of the learning rate every 20,000 steps. Its
    # 128 regions were drawn from all images; here they are 64 of each of two. (In the code, the learning rate of the
    # new classifier is ten times as high: --stage_learning_rates=class=10.)
    "rcnn": dataclasses.replace(_FAST_RCNN, steps=70_000, drops=(2 / 7, 4 / 7, 6 / 7)),
    # SPPnet (arXiv 1406.4729, section 4.1): 250,000 steps, and 50,000 with a tenth of the learning rate. The 128
    # regions are of two images here, too. In the authors' code, the biases of fc6 and fc7 decay.
    "spp_net": dataclasses.replace(_FAST_RCNN, steps=300_000, learning_rate=1e-4, drops=(5 / 6,), decay="all"),
    "fast_rcnn": _FAST_RCNN,
    # The authors' code has 240,000 steps for COCO, a tenth of the learning rate after 160,000.
    "fast_rcnn_coco": dataclasses.replace(_FAST_RCNN, steps=240_000, drops=(2 / 3,)),
    "faster_rcnn": _FASTER_RCNN,
    "faster_rcnn_coco": _FASTER_RCNN_COCO,
    # The steps for proposals of alternating training (arXiv 1506.01497, sections 3.1.3 and 3.2): 60,000 steps of one
    # image, and 20,000 with a tenth of the learning rate. `REGION_STEPS` has those for regions.
    "faster_rcnn_alternating": dataclasses.replace(_FASTER_RCNN, batch_size=1, steps=80_000, drops=(3 / 4,)),
    "faster_rcnn_alternating_coco": _FASTER_RCNN_COCO,
    # Small scenes, from scratch, on two cores within half an hour. Digits must not be mirrored.
    "digit_scenes": Recipe(
        batch_size=4,
        epochs=12,
        steps=None,
        learning_rate=1e-3,
        schedule="cosine",
        warmup_steps=200,
        optimizer="adam",
        weight_decay=1e-4,
        augmentation="none",
    ),
}


_COCO_ANCHORS = {"anchor_sizes": (64, 128, 256, 512)}


# Fields of detectors' options that a recipe changes, where a system has them. A row of a recipe and a class of options
# is for that class only.
DETECTORS = {
    "rcnn": {},
    "spp_net": {},
    "fast_rcnn": {},
    "fast_rcnn_coco": {},
    "faster_rcnn": {},
    "faster_rcnn_coco": _COCO_ANCHORS,
    # The steps for regions are Fast R-CNN's.
    "faster_rcnn_alternating": {"roi_batch_size": 64, "roi_background_iou": (0.1, 0.5)},
    # Of COCO, background is less than 0.5 in any case (arXiv 1506.01497, section 4.2).
    "faster_rcnn_alternating_coco": {"roi_batch_size": 64, **_COCO_ANCHORS},
    "digit_scenes": {
        "anchor_sizes": (24, 40, 64, 96),
        "anchor_ratios": (1, 1.6, 2.4),
        "rpn_filters": 128,
        "head_units": 256,
        "canonical_size": 64.0,
        "warp_size": 64,
        "warp_context": 5,  # as large a part as 16 of 227
        "roi_batch_size": 32,
        "roi_positive_fraction": 0.5,
        "pool_size": 7,
        "train_pre_nms_topk": 1_000,
        "train_post_nms_topk": 200,
        "test_pre_nms_topk": 1_000,
        "test_post_nms_topk": 100,
    },
    # From scratch, it has to learn what is no object at all.
    ("digit_scenes", FastRCNNOptions): {"roi_background_iou": (0.0, 0.5)},
}


# Steps and images of alternating training's steps for regions, as multiples of those for proposals, which a recipe has.
REGION_STEPS = {
    "faster_rcnn_alternating": (1 / 2, 2),  # 40,000 of two images
    "faster_rcnn_alternating_coco": (1, 2),  # 320,000 of 16 images
}


OTHER_REGION_STEPS = (1 / 2, 1)


# Stages of a backbone that a recipe leaves as they are, where they start trained (arXiv 1504.08083, section 4.5).
_FIRST_OF_VGG = dict.fromkeys(("vgg16", "vgg19"), ("conv1", "conv2"))


FROZEN = {name: _FIRST_OF_VGG for name in DETECTION_RECIPES if name.startswith(("fast_rcnn", "faster_rcnn"))}


def default_detection_recipe(dataset, system="faster_rcnn", alternating=False):
    """Returns the name of a detector's recipe for values of `--dataset`, `--system` and `--alternating`."""
    if dataset in ("digit_scenes", "one_digit_scenes"):
        return "digit_scenes"
    name = f"{system}_alternating" if alternating else system
    of_coco = f"{name}_coco"
    return of_coco if dataset.startswith(("coco:", "tfds:coco")) and of_coco in DETECTION_RECIPES else name
