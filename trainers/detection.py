"""Object detection with Faster R-CNN: the task, and the binary that trains it.

python -m trainers.detection --backbone=resnet --filters=32,64,128,256 --dataset=digit_scenes --model_dir=/tmp/scenes
"""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf
from absl import flags
from PIL import Image

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.detection import Options
from keras_resnets.detection.backbones import backbone_names, classification_net, load_backbone
from keras_resnets.detection.box_model import backbone_normalization
from keras_resnets.detection.options import make_options
from keras_resnets.detection.region_detector import ROI_POOLING
from keras_resnets.detection.resizing import Resizing, to_original
from keras_resnets.layers import AnchorGenerator
from keras_resnets.models.nesting import batch_normalizations
from keras_resnets.serving import export_detector
from keras_resnets.weights.loading import check_file
from keras_resnets.weights.published import resolve
from trainers import cli, plots, recipes, training, transfer
from trainers.data.box_augmentation import AUGMENTATIONS
from trainers.data.dataset import title
from trainers.data.objects import open_detection_dataset
from trainers.data.pipeline import evaluation_batches, training_batches
from trainers.distribution import is_chief
from trainers.drawing import draw_detections
from trainers.failures import TOO_MANY_BOXES, naming
from trainers.metrics import coco, report, voc
from trainers.run import Run

# The general forms, whose stages are --block_counts and --filters.
GENERAL = {"resnet": keras_resnets.ResNet, "resnet_v2": keras_resnets.ResNetV2}
SHORT_SIDE, LONG_SIDE = 600, 1000  # px (Fast R-CNN, arXiv 1504.08083, section 5.2)
CANVAS_MULTIPLE = 32  # px
MOST_BOXES = 100  # of an image, where the data set does not tell
LARGEST_EVALUATION_BATCH = 8  # images on one replica
PICTURES = 4  # test images that TensorBoard shows
LARGEST_PICTURE = 640  # px, of their long side
SHOWN_SCORE = 0.5  # of a detection, at least, in pictures
FLAG_OF_KIND = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    tuple: flags.DEFINE_list,
}
FLAG_OF_OPTION = {
    "pool_size": flags.DEFINE_integer,
    "anchor_rounding": flags.DEFINE_string,
    "voting_iou": flags.DEFINE_float,
}


class Detection:
    """The task of `trainers.loop` for images with boxes.

    Args:
        config: a run's configuration, as `configure` makes it.
        dataset: a `DetectionDataset` with the configuration's labels.
    """

    TASK = "detection"
    OPTIONS = Options
    RECIPES, CHANGED_OPTIONS = recipes.DETECTION_RECIPES, recipes.DETECTORS
    default_recipe = staticmethod(recipes.default_detection_recipe)

    def __init__(self, config, dataset):
        self.config = config
        self.dataset = dataset
        self.recipe = recipes.Recipe(**config["recipe"])
        self.resizing = Resizing(**config["resizing"])

    @staticmethod
    def open_dataset(config, name, data_dir, download):
        """Opens a run's data set, or another one, for an evaluation: see `open_detection_dataset`."""
        return open_detection_dataset(name, data_dir, download)

    @property
    def name(self):
        """What a file is called that is made from the model."""
        return "faster_rcnn"

    @property
    def title(self):
        """Heading of pictures and figures."""
        return f"Faster R-CNN ({self.config['backbone']}) on {title(self.config['dataset'])}"

    def build_model(self):
        """Returns a new model."""
        keras.utils.set_random_seed(self.config["seed"])
        model = self._new_model(
            len(self.config["labels"]),
            self._backbone(),
            normalization=self.config["normalization"],
            **self.config["options"],
        )
        transfer.freeze(model, self.config["freeze"])
        if self.recipe.batch_norm_momentum is not None:
            for layer in batch_normalizations(model):
                layer.momentum = self.recipe.batch_norm_momentum
        return model

    def _new_model(self, *arguments, **options):
        return keras_resnets.FasterRCNN(*arguments, roi_pooling=self.config["roi_pooling"], **options)

    def _backbone(self):
        name = self.config["backbone"]
        if name not in GENERAL:
            return name
        return GENERAL[name](self.config["block_counts"], self.config["filters"], include_top=False)

    def initialize(self, model):
        """Loads the weights of --init_weights into the backbone; the proposal network and the siblings start anew.

        Returns:
            None.
        """
        if self.config["init_weights"] is not None:
            with naming("--init_weights"):
                name, weights = self.config["backbone"], self.config["init_weights"]
                net = self._backbone() if name in GENERAL else classification_net(name)
                load_backbone(model, net, resolve(weights, name))

    def learning_rate_factors(self, model):
        """Returns the factors of --stage_learning_rates for each trainable variable, or None."""
        return transfer.learning_rate_factors(model, self.config["stage_learning_rates"])

    def training_batches(self, first_step, context):
        """Returns batches of what the model takes, of its targets, and of seeds.

        `images` (B, H, W, 3) uint8, `image_shapes` (B, 2) int32, `boxes` (B, G, 4) float32 and `classes` (B, G) int32,
        padded with -1, and `seed` (B, 2).
        """
        augment = AUGMENTATIONS[self.recipe.augmentation]

        def transform(example, seed):
            augmentation_seed, sample_seed = tf.unstack(tf.random.split(seed, 2))
            trained_on = ~example["ignored"]
            boxes = tf.boolean_mask(example["boxes"], trained_on)
            image, boxes = augment(example["image"].pixels(), boxes, self.resizing, augmentation_seed)
            image, shape = self.resizing.pad(image)
            return {
                # A quarter of the bytes of float32, on their way to the device.
                "images": tf.cast(tf.round(image), tf.uint8),
                "image_shapes": shape,
                "boxes": _padded(boxes, -1.0, self.config["max_boxes"]),
                "classes": _padded(tf.boolean_mask(example["classes"], trained_on), -1, self.config["max_boxes"]),
                "seed": sample_seed,
            }

        return training_batches(
            self.dataset.train,
            transform,
            batch_size=self.recipe.batch_size,
            first_step=first_step,
            seed=self.config["seed"],
            context=context,
        )

    def evaluation_batches(self, context=None):
        """Returns batches of `images` (B, H, W, 3) float32, `image_shapes`, `scales`, the annotation, and `weight`.

        `scales` (B, 2) is how many times higher and wider an image is than its original; the annotation is
        `true_boxes` (B, G, 4) and `areas` (B, G), in pixels of the original, `true_classes` and `ignored` (B, G).
        """
        replicas = context.num_replicas_in_sync if context is not None else 1
        parts = replicas * self.recipe.accumulation
        batch_size = max(1, min(LARGEST_EVALUATION_BATCH, self.recipe.batch_size // parts))
        return evaluation_batches(self.dataset.test, self.evaluation_example, batch_size=batch_size, context=context)

    def evaluation_example(self, example):
        """Returns what `evaluation_batches` has of one loaded example, but for `weight`."""
        limit = max(self.config["max_boxes"], self.dataset.most_boxes or 0)
        image, scale = self.resizing.resize(example["image"].pixels())
        image, shape = self.resizing.pad(image)
        return {
            "images": image,
            "image_shapes": shape,
            "scales": scale,
            "true_boxes": _padded(example["boxes"], -1.0, limit),
            "true_classes": _padded(example["classes"], -1, limit),
            "ignored": _padded(tf.cast(example["ignored"], tf.int32), 0, limit),  # Replicas cannot gather bool.
            "areas": _padded(example["areas"], -1.0, limit),
        }

    def losses(self, model, batch, training):
        """Returns the losses of the model, and the same as figures."""
        inputs = {name: batch[name] for name in ("images", "image_shapes")}
        targets = {name: batch[name] for name in ("boxes", "classes")}
        losses = model.training_losses(inputs, targets, batch["seed"], training=training)
        return losses, {f"{name}_loss": loss for name, loss in losses.items()}

    def predictions(self, model, batch):
        """Returns detections and annotation of each image, in pixels of the original: see `trainers.metrics`."""
        found = model({name: batch[name] for name in ("images", "image_shapes")})
        annotation = {name: batch[name] for name in ("true_boxes", "true_classes", "ignored", "areas")}
        boxes = to_original(found["boxes"], batch["scales"])
        return {**annotation, "boxes": boxes, "scores": found["scores"], "classes": found["classes"]}

    def metrics(self, predictions):
        """Returns average precisions, averaged over the classes; None where there is no object.

        `map_50` is PASCAL VOC's, the area under the curve, `map_50_11_point` that of VOC 2007; `map`, `coco_map_50`,
        `coco_map_75`, `map_small`, `map_medium` and `map_large` are COCO's.
        """
        curves, figures, _ = self._measured(predictions)
        return {**voc.mean_average_precision(curves), **figures}

    def _measured(self, predictions):
        """Returns VOC's curves of all classes, COCO's figures, and COCO's average precision of each class."""
        predictions = {**predictions, "ignored": predictions["ignored"] > 0}
        classes = len(self.config["labels"])
        return voc.curves(predictions, classes), *coco.coco_metrics(predictions, classes)

    def criterion(self, metrics):
        """Returns one minus the mean average precision of VOC."""
        return 1 - (metrics["map_50"] or 0.0)

    def pictures(self, predictions):
        """Returns the first few test images with what is found in them."""
        split = self.dataset.test
        images = split.keys(None).take(PICTURES).map(lambda key: split.load(key)["image"].pixels())
        pictures = {}
        for i, image in enumerate(images.as_numpy_iterator()):
            # TensorBoard keeps every picture of every evaluation.
            scale = min(1.0, LARGEST_PICTURE / max(image.shape[:2]))
            height, width = (max(1, round(side * scale)) for side in image.shape[:2])
            image = np.asarray(Image.fromarray(image).resize((width, height)))
            shown = predictions["scores"][i] >= SHOWN_SCORE
            boxes, classes, scores = (predictions[name][i][shown] for name in ("boxes", "classes", "scores"))
            pictures[f"detections/{i}"] = draw_detections(image, boxes * scale, classes, self.config["labels"], scores)
        return pictures

    def draw_learning_curve(self, lines, path):
        """Draws the mean average precision over steps, as VOC and as COCO measure it."""
        series = [
            ("map_50", "mAP@.5", {"linewidth": 2, "color": "tab:blue"}),
            ("map", "mAP@[.5,.95]", {"linewidth": 1, "color": "tab:green"}),
        ]
        plots.learning_curve(lines, series, "mean average precision", self.title, path)

    def report(self, predictions, metrics, run):
        """Writes an evaluation into a run's folder, class by class: `per_class.csv` and `precision_recall.png`."""
        labels = self.config["labels"]
        curves, _, by_class = self._measured(predictions)
        report.write_per_class(run.per_class, labels, curves, by_class)
        heading = f"{self.title}: mAP@.5 {percent(metrics['map_50'])}"
        plots.precision_recall(curves, labels, heading, run.precision_recall)

    def summary(self, metrics):
        """Returns an evaluation in words."""
        return f"mAP@.5 {percent(metrics['map_50'])}, mAP@[.5,.95] {percent(metrics['map'])}"

    def build_for_export(self):
        """Returns a new model for `export`."""
        return self.build_model()

    def export(self, model, base, version, format="saved_model", stages=(), **settings):
        """Writes a model of `build_for_export` for TensorFlow Serving: see `export_detector`."""
        if stages or format != "saved_model":
            flag = f"--stages={','.join(stages)}" if stages else f"--format={format}"
            raise ArgumentError(f"{flag} is for classification nets: leave it out.")
        return export_detector(model, self.resizing, self.config["labels"], base, version, **settings)


def _padded(rows, value, limit):
    """Pads (n, ...) to (limit, ...)."""
    count = tf.shape(rows)[0]
    with tf.control_dependencies([tf.debugging.assert_less_equal(count, limit, f"{TOO_MANY_BOXES}={limit}")]):
        missing = tf.maximum(limit - count, 0)
    padded = tf.pad(rows, [[0, missing], *[[0, 0]] * (len(rows.shape) - 1)], constant_values=value)
    return tf.ensure_shape(padded, [limit, *rows.shape[1:]])


def percent(share):
    """Returns a share, 0 to 1 or None, in words."""
    return "undefined" if share is None else f"{share:.2%}"


def configure(*arguments, roi_pooling="max", **choices):
    """Makes the configuration of a run of `Detection`.

    Args:
        *arguments, **choices: those of `box_config` after `kind`.
        roi_pooling: the value of --roi_pooling.

    Returns:
        A dict that can be written as JSON.

    Raises:
        ArgumentError: for choices that do not fit together.
    """
    return {**box_config(Detection, *arguments, **choices), "roi_pooling": roi_pooling}


def box_config(
    kind,
    backbone,
    dataset_name,
    dataset,
    recipe_name,
    *,
    block_counts=None,
    filters=None,
    options=None,
    resizing=None,
    max_boxes=None,
    data_dir=None,
    precision="float32",
    init_weights=None,
    freeze=(),
    stage_learning_rates=None,
    seed=0,
    begun=None,
    **changes,
):
    """Makes a run's configuration: everything needed to repeat it.

    Args:
        kind: the task's class, `Detection` or a subclass.
        backbone: a name of `keras_resnets.detection.backbones`, or of `GENERAL`.
        dataset_name: the value of --dataset.
        dataset: the `DetectionDataset` of that name.
        recipe_name: a row of `kind.RECIPES`.
        block_counts, filters: the stages of a general form.
        options: dict of fields of `kind.OPTIONS`, which change the recipe's.
        resizing: a `Resizing`; None for the data set's default.
        max_boxes: boxes that an image may have, None for the most that one has.
        data_dir ... seed: see `trainers.training.common_config`.
        begun: the configuration of the run where it exists already: it goes on without the file of `init_weights`.
        **changes: fields of the recipe to change; None leaves the recipe's value.

    Returns:
        A dict that can be written as JSON.

    Raises:
        ArgumentError: for choices that do not fit together.
    """
    recipe = recipes.change(recipes.get_recipe(recipe_name, kind.RECIPES), dataset.train.size, **changes)
    # Batch normalization that starts from nothing has to learn.
    changed = {"train_batch_norm": init_weights is None, **kind.CHANGED_OPTIONS[recipe_name]}
    options = kind.OPTIONS(**{**changed, **(options or {})})
    resizing = resizing or default_resizing(dataset)
    _check_anchors(options, resizing)
    return {
        "task": kind.TASK,
        "backbone": backbone,
        "block_counts": block_counts,
        "filters": filters,
        "options": dataclasses.asdict(options),
        "normalization": _normalization(backbone, init_weights, begun),
        "resizing": dataclasses.asdict(resizing),
        "max_boxes": _max_boxes(dataset, max_boxes),
        "jit_compile": False,
        **training.common_config(
            dataset_name,
            dataset,
            recipe_name,
            recipe,
            data_dir=data_dir,
            precision=precision,
            init_weights=init_weights,
            freeze=freeze,
            stage_learning_rates=stage_learning_rates,
            seed=seed,
        ),
    }


def _normalization(backbone, init_weights, begun):
    if begun is not None and begun.get("backbone") == backbone:
        return begun["normalization"]
    with naming("--init_weights"):
        return backbone_normalization(backbone, init_weights)


def _check_anchors(options, resizing):
    """Raises ArgumentError where no anchor could be trained."""
    anchors = AnchorGenerator(options.anchor_sizes, options.anchor_ratios).around_zero()
    sides = np.sort(anchors[:, 2:] - anchors[:, :2], axis=1)
    fits = np.all(sides <= [resizing.short_side, resizing.long_side], axis=1)
    if not options.cross_boundary_anchors and not np.any(fits):
        sizes = ",".join(map(str, options.anchor_sizes))
        raise ArgumentError(
            f"--anchor_sizes={sizes} are too large: no anchor lies inside of an image with "
            f"--short_side={resizing.short_side} and --long_side={resizing.long_side}. Pass smaller ones, or "
            "--cross_boundary_anchors."
        )


def _max_boxes(dataset, max_boxes):
    if max_boxes is not None and dataset.most_boxes is not None and max_boxes < dataset.most_boxes:
        raise ArgumentError(
            f"--max_boxes={max_boxes} is less than the {dataset.most_boxes} boxes of an image: leave it out, or pass "
            "as many."
        )
    return max_boxes or max(1, dataset.most_boxes or MOST_BOXES)


def default_resizing(dataset, short_side=None, long_side=None, canvas=None):
    """Returns the `Resizing` of a data set: what is not given is that of the paper, or of images of one size, theirs.

    Args:
        dataset: a `DetectionDataset`.
        short_side, long_side: in pixels.
        canvas: (height, width); None for a square that images of any shape fit in.
    """
    short_side = short_side or dataset.side or SHORT_SIDE
    long_side = long_side or (short_side if dataset.side else max(LONG_SIDE, short_side))
    side = -(-long_side // CANVAS_MULTIPLE) * CANVAS_MULTIPLE
    return Resizing(short_side, long_side, canvas or (side, side))


def define_flags(kind):
    """Defines the flags of `task_by_flags` for a task's class."""
    cli.define_model_dir()
    cli.define_data()
    cli.define_distribution()
    names = [*GENERAL, *backbone_names()]
    flags.DEFINE_string("backbone", "resnet101", f"One of {', '.join(names)}.")
    flags.DEFINE_list("block_counts", ["2", "2", "2", "2"], "Of resnet and resnet_v2: units of each stage.")
    flags.DEFINE_list("filters", ["64", "128", "256", "512"], "Of resnet and resnet_v2: filters of each stage.")
    flags.DEFINE_string(
        "dataset",
        None,
        "digit_scenes, one_digit_scenes, voc:PATH, coco:IMAGES,TRAIN.json,IMAGES,TEST.json or tfds:NAME.",
        required=True,
    )
    flags.DEFINE_boolean("strict", False, "Whether a damaged file or object ends the run, instead of being left out.")
    flags.DEFINE_integer("short_side", None, "Of a resized image, in pixels; default: 600.", lower_bound=1)
    flags.DEFINE_integer("long_side", None, "Of a resized image, at most, in pixels; default: 1000.", lower_bound=1)
    flags.DEFINE_list("canvas", None, "HEIGHT,WIDTH that images are padded to; default: a square that fits them all.")
    flags.DEFINE_integer("max_boxes", None, "Boxes that an image may have; default: as many as one has.", lower_bound=1)
    for field in dataclasses.fields(kind.OPTIONS):
        define = FLAG_OF_OPTION.get(field.name) or FLAG_OF_KIND[type(field.default)]
        about = f"See keras_resnets.detection.{kind.OPTIONS.__name__}; default: {field.default}, or the recipe's."
        define(field.name, None, about)
    cli.define_recipe(kind.RECIPES)
    cli.define_training()


def _model_options(kind):
    """Returns the fields of the options that flags give."""
    given = {field.name: flags.FLAGS[field.name].value for field in dataclasses.fields(kind.OPTIONS)}
    return {
        name: cli.numbers(name, float) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }


def task_by_flags(kind, configure):
    """Returns a task, its `Run` and the strategy to train it with, as the flags of `define_flags` say.

    Args:
        kind: the task's class, `Detection` or a subclass.
        configure: function of the arguments of `box_config` after `kind`, which makes the configuration.

    Raises:
        ArgumentError: for flags that cannot work, if possible before the data are read.
    """
    options = flags.FLAGS
    # What is unknown is said before the data are read.
    backbone, model_options = options.backbone, _model_options(kind)
    if backbone not in [*GENERAL, *backbone_names()]:
        raise ArgumentError(f"--backbone={backbone} is unknown: use {', '.join([*GENERAL, *backbone_names()])}.")
    if options.remat:
        raise ArgumentError("--remat is for classification: use a smaller --batch_size, or a higher --accumulation.")
    stages = {name: cli.numbers(name, int) if backbone in GENERAL else None for name in ("block_counts", "filters")}
    for name in stages:
        if backbone not in GENERAL and options[name].present:
            raise ArgumentError(f"--{name} has no effect with --backbone={backbone}: leave it out.")
    make_options(model_options, kind.OPTIONS)
    if options.init_weights not in (None, training.PUBLISHED_WEIGHTS):
        with naming("--init_weights"):
            check_file(options.init_weights)
    recipe_name = options.recipe or kind.default_recipe(options.dataset)
    recipes.get_recipe(recipe_name, kind.RECIPES)
    choices, canvas = cli.recipe_choices(), cli.numbers("canvas", int)
    strategy = cli.strategy()
    dataset = open_detection_dataset(options.dataset, options.data_dir, options.download, options.strict)
    run = Run(options.model_dir, is_chief(strategy))
    config = configure(
        backbone,
        options.dataset,
        dataset,
        recipe_name,
        options=model_options,
        resizing=default_resizing(dataset, options.short_side, options.long_side, canvas),
        max_boxes=options.max_boxes,
        data_dir=options.data_dir,
        begun=run.config() if run.exists() else None,
        **stages,
        **choices,
    )
    config["jit_compile"] = options.jit_compile  # XLA has random numbers of its own.
    return kind(config, dataset), run, strategy


def _define_flags():
    define_flags(Detection)
    flags.DEFINE_enum("roi_pooling", "max", list(ROI_POOLING), "How the features of a region are pooled.")


def _main(arguments):
    cli.no_arguments(arguments)
    configured = functools.partial(configure, roi_pooling=flags.FLAGS.roi_pooling)
    training.train_by_flags(*task_by_flags(Detection, configured))


def run():
    """Entry point of the command."""
    cli.run(_main, _define_flags)


if __name__ == "__main__":
    run()
