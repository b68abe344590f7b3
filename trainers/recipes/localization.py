"""Recipes of localizers."""

import dataclasses

from trainers.recipes.recipe import Recipe

LOCALIZATION_RECIPES = {
    # arXiv 1512.03385, appendix C: random crops of 224 pixels, 256 images a step, eight anchors of each. The rest is
    # ours: the learning rate is a tenth of classification's, as R-CNN's fine-tuning has it (arXiv 1311.2524, section
    # 2.3), the weight decay classification's; and the length and the drops.
    "imagenet": Recipe(
        batch_size=256,
        epochs=20,
        steps=None,
        learning_rate=0.01,
        schedule="steps",
        drops=(1 / 2, 3 / 4),
        weight_decay=1e-4,
        decay="all",
        augmentation="crop_and_color",
    ),
    # Small scenes, from scratch, on two cores within some minutes. Digits must not be mirrored.
    "one_digit_scenes": Recipe(
        batch_size=16,
        epochs=10,
        steps=None,
        learning_rate=2e-3,
        schedule="cosine",
        warmup_steps=100,
        optimizer="adam",
        weight_decay=1e-4,
        augmentation="none",
    ),
}


# Fields of `keras_resnets.detection.LocalizerOptions` that a recipe changes: eight anchors, half of them of objects at
# most, and 200 proposals are the defaults.
LOCALIZERS = {
    # The paper does not say which anchors: of objects that may be as large as the crop.
    "imagenet": {"anchor_sizes": (64, 128, 256), "cross_boundary_anchors": True},
    "one_digit_scenes": {
        "anchor_sizes": (18, 28, 44, 70),  # of digits that are 24 to 96 pixels high and narrower than that
        "anchor_ratios": (1, 1.6, 2.4),
        "cross_boundary_anchors": True,  # A digit is up to three quarters of the image.
        "rpn_filters": 128,
        "pre_nms_topk": 1_000,
    },
}


# The second stage crops regions, not images.
LOCALIZATION_RCNN_RECIPES = {
    "imagenet": dataclasses.replace(LOCALIZATION_RECIPES["imagenet"], augmentation="flip"),
    "one_digit_scenes": LOCALIZATION_RECIPES["one_digit_scenes"],
}


# Fields of `keras_resnets.detection.RCNNOptions` that a recipe changes, of the second stage of localization.
LOCALIZATION_RCNNS = {
    # 256 regions a step, RoI-centric: of so many images that each is of another one, a quarter of them of objects, as
    # R-CNN has it. They are warped to what the classification net has seen, without R-CNN's context.
    "imagenet": {"warp_size": 224, "warp_context": 0, "roi_batch_size": 1, "svm": False},
    # 128 regions of 16 images.
    "one_digit_scenes": {
        "warp_size": 64,
        "warp_context": 5,
        "roi_batch_size": 8,
        "roi_positive_fraction": 0.5,
        "pool_size": 8,
        "svm": False,
    },
}


def default_localization_recipe(dataset):
    """Returns the name of a recipe of localization, of both stages, for a value of `--dataset` when none is given."""
    return "one_digit_scenes" if dataset in ("digit_scenes", "one_digit_scenes") else "imagenet"
