"""Recipes of both stages of localization."""

import dataclasses

from trainers.recipes.recipe import BoxRecipe, Recipe

# arXiv 1512.03385, appendix C: random crops of 224 pixels, 256 images a step. The rest is our choice: a tenth of
# classification's learning rate, as in R-CNN's fine-tuning (arXiv 1311.2524, section 2.3), classification's weight
# decay, the length and the drops.
_IMAGENET = Recipe(
    batch_size=256,
    epochs=20,
    steps=None,
    learning_rate=0.01,
    schedule="steps",
    drops=(1 / 2, 3 / 4),
    weight_decay=1e-4,
    decay="all",
    augmentation="crop_and_color",
)

# Small scenes, from scratch, on two cores within some minutes. Digits must not be mirrored.
_ONE_DIGIT_SCENES = Recipe(
    batch_size=16,
    epochs=10,
    steps=None,
    learning_rate=2e-3,
    schedule="cosine",
    warmup_steps=100,
    optimizer="adam",
    weight_decay=1e-4,
    augmentation="none",
)

# The first stage. The options' defaults are eight anchors of an image, at most half of them foreground, and 200
# proposals.
RECIPES = {
    # The paper does not give the anchors. These fit objects as large as the crop.
    "imagenet": BoxRecipe(_IMAGENET, {"anchor_sizes": (64, 128, 256), "cross_boundary_anchors": True}),
    "one_digit_scenes": BoxRecipe(
        _ONE_DIGIT_SCENES,
        {
            "anchor_sizes": (18, 28, 44, 70),  # for digits 24 to 96 pixels high, and narrower than that
            "anchor_ratios": (1, 1.6, 2.4),
            "cross_boundary_anchors": True,  # A digit is up to three quarters of the image.
            "rpn_filters": 128,
            "pre_nms_topk": 1_000,
        },
    ),
}

# The second stage, an R-CNN, which crops regions instead of images.
RCNN_RECIPES = {
    # 256 regions a step, RoI-centric: each is from another image. A quarter of them are of objects, as in R-CNN. They
    # are warped to the size that the classification net has seen, without R-CNN's context.
    "imagenet": BoxRecipe(
        dataclasses.replace(_IMAGENET, augmentation="flip"),
        {"warp_size": 224, "warp_context": 0, "roi_batch_size": 1, "svm": False},
    ),
    # 128 regions from 16 images.
    "one_digit_scenes": BoxRecipe(
        _ONE_DIGIT_SCENES,
        {
            "warp_size": 64,
            "warp_context": 5,
            "roi_batch_size": 8,
            "roi_positive_fraction": 0.5,
            "pool_size": 8,
            "svm": False,
        },
    ),
}


def default_recipe(dataset: str) -> str:
    """Returns the name of a recipe of localization, of both stages, for a value of --dataset."""
    return "one_digit_scenes" if dataset in ("digit_scenes", "one_digit_scenes") else "imagenet"
