"""How nets are trained: the papers' schedules, and our own, as rows of a table."""

import dataclasses
import math

import keras

from keras_resnets import ArgumentError
from keras_resnets.detection import FastRCNNOptions

DECAY = 0.94
DECAYED = ("all", "kernels")


class RMSprop(keras.optimizers.RMSprop):
    """RMSProp as in TensorFlow 1, with which the Inception nets were trained: the mean square starts at 1, not at 0.

    (Epsilon is inside the root in Keras, too.)
    """

    def add_optimizer_variables(self, trainable_variables, name, initializer="zeros"):
        initializer = "ones" if name == "velocity" else initializer
        return super().add_optimizer_variables(trainable_variables, name, initializer)


OPTIMIZERS = {
    "sgd": lambda learning_rate, momentum: keras.optimizers.SGD(learning_rate, momentum=momentum),
    "nesterov": lambda learning_rate, momentum: keras.optimizers.SGD(learning_rate, momentum=momentum, nesterov=True),
    "adam": lambda learning_rate, momentum: keras.optimizers.Adam(learning_rate, beta_1=momentum),
    "rmsprop": lambda learning_rate, momentum: RMSprop(learning_rate, rho=0.9, momentum=momentum, epsilon=1.0),
}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """An optimizer, a schedule of its learning rate, and what is done against overfitting.

    Attributes:
        batch_size: examples of a step, over all replicas.
        epochs: length of training in passes over the data; None where `steps` says it.
        steps: length of training in steps; None where `epochs` says it.
        learning_rate: the highest.
        schedule: "steps" divides the learning rate by 10 at each of `drops`; "cosine" lets it fall to 0; "exponential"
            multiplies it by 0.94, `decays` times.
        drops: fractions of the training at which "steps" drops.
        decays: number of decays of "exponential".
        warmup_steps: steps at the start (half of the training at most): "steps" stays at `warmup_learning_rate`
            during them (arXiv 1512.03385, section 4.2), "cosine" rises linearly from it to `learning_rate`.
        warmup_learning_rate: see `warmup_steps`.
        optimizer: a name in `OPTIMIZERS`.
        momentum: of the optimizer, in Caffe's form (the learning rate inside the velocity), which is Keras's.
        weight_decay: w in the term w / 2 * sum(weight ** 2) of the loss.
        decay: what that sum is over: "all" that is trained, biases and batch normalization's gammas and betas included,
            or the "kernels" of convolutions and dense layers.
        bias_learning_rate: factor of the learning rate of biases (Caffe's lr_mult).
        clip_norm: largest norm of all gradients together; None for no limit.
        accumulation: parts into which a replica's share of a batch is cut, to need less memory; batch normalization
            sees one part at a time.
        label_smoothing: share of the target that is spread over all classes.
        ema_decay: decay of the moving average of the weights, which is then evaluated and exported; None for none.
        batch_norm_momentum: of the moving statistics; None for the net's own.
        augmentation: a name in `trainers.data.augmentation.AUGMENTATIONS`, or, of a detector, in
            `trainers.data.box_augmentation.AUGMENTATIONS`.
        mixup_alpha: see `trainers.data.mixing`; None for no mixing.
        cutmix_alpha: likewise; None exactly when `mixup_alpha` is.
        second_side: side, in pixels, that images are resized to in every second epoch, from the second one on (SPPnet,
            arXiv 1406.4729, section 2.3: 180, of 224); None for images of one size. Not for detectors.

    Raises:
        ArgumentError: for a value that cannot work.
    """

    batch_size: int
    epochs: float | None
    steps: int | None
    learning_rate: float
    schedule: str
    drops: tuple[float, ...] = ()
    decays: int = 0
    warmup_steps: int = 0
    warmup_learning_rate: float = 0.0
    optimizer: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 1e-4
    decay: str = "kernels"
    bias_learning_rate: float = 1.0
    clip_norm: float | None = None
    accumulation: int = 1
    label_smoothing: float = 0.0
    ema_decay: float | None = None
    batch_norm_momentum: float | None = None
    augmentation: str = "central_crop"
    mixup_alpha: float | None = None
    cutmix_alpha: float | None = None
    second_side: int | None = None

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ArgumentError(f"--{field.name}={value} must be a number.")
        if self.decay not in DECAYED:
            raise ArgumentError(f"decay={self.decay!r} is unknown: use {' or '.join(map(repr, DECAYED))}.")
        if self.ema_decay is not None and self.ema_decay >= 1:
            raise ArgumentError(f"--ema_decay={self.ema_decay} must be less than 1, which would average nothing.")

    def total_steps(self, examples):
        """Returns the number of steps for a training split of `examples` examples."""
        return self.steps if self.steps is not None else max(1, math.ceil(self.epochs * examples / self.batch_size))

    def make_optimizer(self, total_steps, learning_rate_factors=None):
        """Returns the Keras optimizer, with its schedule stretched over `total_steps`.

        Args:
            total_steps: of the training.
            learning_rate_factors: a factor for each trainable variable; None for 1.
        """
        optimizer = OPTIMIZERS[self.optimizer](self._learning_rate(total_steps), self.momentum)
        if learning_rate_factors is not None:
            _scale_learning_rates(optimizer, learning_rate_factors)
        return optimizer

    def _learning_rate(self, total_steps):
        warmup = min(self.warmup_steps, total_steps // 2)
        if self.schedule == "cosine":
            if not warmup:
                return keras.optimizers.schedules.CosineDecay(self.learning_rate, total_steps)
            return keras.optimizers.schedules.CosineDecay(
                self.warmup_learning_rate, total_steps - warmup, warmup_target=self.learning_rate, warmup_steps=warmup
            )
        if self.schedule == "exponential":
            return keras.optimizers.schedules.ExponentialDecay(
                self.learning_rate, max(1, math.ceil(total_steps / self.decays)), DECAY, staircase=True
            )
        ends = [round(drop * total_steps) for drop in self.drops]
        values = [self.learning_rate * 0.1**i for i in range(len(ends) + 1)]
        if warmup:
            ends, values = [warmup, *ends], [self.warmup_learning_rate, *values]
        # Keras keeps a value up to and including its boundary, counting steps from 0.
        return keras.optimizers.schedules.PiecewiseConstantDecay([end - 1 for end in ends], values)


def _scale_learning_rates(optimizer, factors):
    """Makes every variable's step with its own multiple of the learning rate."""
    update_step = optimizer.update_step

    def scaled(gradient, variable, learning_rate):
        update_step(gradient, variable, learning_rate * factors[optimizer._get_variable_index(variable)])

    optimizer.update_step = scaled


# arXiv 1512.03385, section 4.2: 64,000 steps of 128 images, a tenth of the learning rate after 32,000 and 48,000. The
# paper subtracts each pixel's mean; here it is each channel's, divided by its deviation, as in the authors' Torch code,
# which decays all weights.
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
    # What has been found since, most of it in "ResNet strikes back" (arXiv 2110.00476): our choice of the figures.
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
    # every two epochs. Momentum 0.9, the weight decay, of kernels only, and the distortion of colours are the authors'
    # code's. Their 20 replicas of 32 images worked asynchronously: here one step has all of their images.
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
}


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
        "roi_foreground_share": 0.5,
        "pool_size": 7,
        "train_before_nms": 1_000,
        "train_after_nms": 200,
        "test_before_nms": 1_000,
        "test_after_nms": 100,
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
        "before_nms": 1_000,
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
        "roi_foreground_share": 0.5,
        "pool_size": 8,
        "svm": False,
    },
}


def goes_on(begun, name):
    """Whether a run of this configuration, or None, began with the recipe of this name, which it keeps then."""
    return begun is not None and begun["recipe_name"] == name


def get_recipe(name, recipes=RECIPES, begun=None):
    """Returns the row of a table with this name, or raises ArgumentError.

    Args:
        name: of the row.
        recipes: the table.
        begun: the configuration of the run where it exists already: it keeps the recipe that it began with, with the
            changes of its flags, whatever the table says by now.
    """
    if goes_on(begun, name):
        return Recipe(**begun["recipe"])
    if name not in recipes:
        raise ArgumentError(f"--recipe={name} is unknown: use {', '.join(recipes)}.")
    return recipes[name]


def change(recipe, examples, **changes):
    """Returns a recipe with some fields changed.

    Args:
        recipe: a `Recipe`.
        examples: of the training split.
        **changes: fields; None leaves the recipe's value, 0 switches off what may be None.

    Raises:
        ArgumentError: if a batch would have more images than there are.
    """
    changes = {key: value for key, value in changes.items() if value is not None}
    changes |= {key: changes[key] or None for key in ("clip_norm", "ema_decay", "second_side") if key in changes}
    if "steps" in changes or "epochs" in changes:
        changes = {"steps": None, "epochs": None, **changes}
    recipe = dataclasses.replace(recipe, **changes)
    if recipe.batch_size > examples:
        raise ArgumentError(
            f"--batch_size={recipe.batch_size} is more than the {examples} training images: pass a smaller one."
        )
    return recipe


def default_recipe(dataset):
    """Returns the name of the recipe for a value of `--dataset` when none is given."""
    kind, _, name = dataset.partition(":")
    if kind in ("digits", "one_digit_scenes", "idx"):
        return "digits"
    return "cifar" if kind == "tfds" and name.startswith("cifar") else "imagenet"


def default_detection_recipe(dataset, system="faster_rcnn", alternating=False):
    """Returns the name of a detector's recipe for values of `--dataset`, `--system` and `--alternating`."""
    if dataset in ("digit_scenes", "one_digit_scenes"):
        return "digit_scenes"
    name = f"{system}_alternating" if alternating else system
    of_coco = f"{name}_coco"
    return of_coco if dataset.startswith(("coco:", "tfds:coco")) and of_coco in DETECTION_RECIPES else name


def default_localization_recipe(dataset):
    """Returns the name of a recipe of localization, of both stages, for a value of `--dataset` when none is given."""
    return "one_digit_scenes" if dataset in ("digit_scenes", "one_digit_scenes") else "imagenet"
