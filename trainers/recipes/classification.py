"""Recipes of classification nets."""

import dataclasses

from trainers.recipes.recipe import Recipe

# arXiv 1512.03385, section 4.2: 64,000 steps of 128 images, a tenth of the learning rate after 32,000 and 48,000. The
# paper subtracts each pixel's mean. Here each channel's mean is subtracted, and the result divided by its standard
# deviation, as in the authors' Torch code, which decays all weights.
_CIFAR = Recipe(
    batch_size=128,
    epochs=None,
    steps=64_000,
    learning_rate=0.1,
    schedule="steps",
    drops=(1 / 2, 3 / 4),
    weight_decay=1e-4,
    decay="all",
    augmentation="pad_crop_and_flip",
)

# What the short trainings of small nets share: one cycle of the learning rate. Each row has a length of its own.
_SHORT = Recipe(
    batch_size=128,
    epochs=15,
    steps=None,
    learning_rate=0.2,
    schedule="cosine",
    optimizer="nesterov",
    weight_decay=5e-4,
    label_smoothing=0.1,
)


RECIPES = {
    "cifar": _CIFAR,
    # The same section, for depths from 110 on: 400 steps at 0.01 first.
    "cifar_warmup": dataclasses.replace(_CIFAR, warmup_steps=400, warmup_learning_rate=0.01),
    # arXiv 1512.03385, section 3.4: 600,000 steps of 256 images, 120 epochs. The paper divides the learning rate "when
    # the error plateaus": here at epochs 30, 60 and 90, the first two of which are its successor's (arXiv 1603.05027).
    # All weights decay, as in the authors' Torch code.
    "imagenet": Recipe(
        batch_size=256,
        epochs=120,
        steps=None,
        learning_rate=0.1,
        schedule="steps",
        drops=(1 / 4, 1 / 2, 3 / 4),
        weight_decay=1e-4,
        decay="all",
        augmentation="scale_jitter_and_color",
    ),
    # Later techniques, most of them in "ResNet strikes back" (arXiv 2110.00476). The figures are our choice.
    "imagenet_modern": Recipe(
        batch_size=1024,
        epochs=300,
        steps=None,
        learning_rate=0.5,
        schedule="cosine",
        warmup_steps=6_250,  # 5 epochs of ImageNet
        weight_decay=2e-5,
        label_smoothing=0.1,
        ema_decay=0.9999,
        augmentation="random_resized_crop_and_rand_augment",
        mixup_alpha=0.2,
        cutmix_alpha=1.0,
    ),
    # arXiv 1602.07261, section 4, and 1512.00567, sections 7 and 8 (100 epochs, smoothing, clipping): RMSProp, and 0.94
    # every two epochs. Momentum 0.9, the weight decay of kernels only, and the distortion of colours are from the
    # authors' code. Their 20 replicas of 32 images worked asynchronously: here one step has all of their images.
    "inception": Recipe(
        batch_size=640,
        epochs=100,
        steps=None,
        learning_rate=0.045,
        schedule="exponential",
        decays=50,
        optimizer="rmsprop",
        weight_decay=4e-5,
        clip_norm=2.0,
        label_smoothing=0.1,
        ema_decay=0.9999,
        batch_norm_momentum=0.9997,
        augmentation="random_resized_crop_and_color",
    ),
    # CIFAR-10 in a seventh of the paper's epochs: batches, one cycle, learning rate and weight decay are those of short
    # trainings of ResNet-9 (DAWNBench). Less smoothing, since a ResNet-20 overfits less. It has not been run.
    "cifar_short": dataclasses.replace(
        _SHORT,
        batch_size=512,
        epochs=24,
        learning_rate=0.4,
        warmup_steps=490,
        augmentation="pad_crop_and_flip",
    ),
    # Fashion-MNIST within an hour on two cores: without AVX-512 and with --jit_compile, 32 images a step were quicker
    # than 64.
    "fashion": Recipe(
        batch_size=32,
        epochs=13,
        steps=None,
        learning_rate=0.05,
        schedule="cosine",
        warmup_steps=1_000,
        optimizer="nesterov",
        weight_decay=5e-4,
        augmentation="shift_and_flip",
    ),
    # In a third of the time with --precision=mixed_bfloat16: 256 images a step, the same ratio of learning rate and
    # batch size, and a third of the pixels in the first half of the training.
    "fashion_short": dataclasses.replace(
        _SHORT,
        batch_size=256,
        learning_rate=0.4,
        warmup_steps=500,
        augmentation="shift_and_flip",
        second_side=16,
        side_schedule="progressive",
    ),
    # Small data sets of digits, which must not be mirrored: a couple of minutes on two cores.
    "digits": Recipe(
        batch_size=32,
        epochs=12,
        steps=None,
        learning_rate=0.1,
        schedule="cosine",
        warmup_steps=50,
        weight_decay=5e-4,
        augmentation="pad_and_crop",
    ),
    # Two thirds of the epochs, in steps of twice as many images.
    "digits_short": dataclasses.replace(
        _SHORT,
        batch_size=64,
        epochs=8,
        warmup_steps=40,
        augmentation="pad_and_crop",
    ),
}


def default_recipe(dataset: str) -> str:
    """Returns the name of the recipe for a value of --dataset."""
    kind, _, name = dataset.partition(":")
    if kind in ("digits", "one_digit_scenes", "idx"):
        return "digits"
    return "cifar" if kind == "tfds" and name.startswith("cifar") else "imagenet"
