"""The task of object detection."""

import numpy as np
import tensorflow as tf
from PIL import Image

import keras_resnets
from keras_resnets.detection.backbones import backbone_net, classification_net, load_backbone
from keras_resnets.detection.options import make_options
from keras_resnets.detection.resizing import Resizing, from_original, to_original
from keras_resnets.errors import ArgumentError
from keras_resnets.ops.boxes import areas
from keras_resnets.serving import export_detector
from keras_resnets.weights.published import resolve
from trainers.data.augmentation.detection import AUGMENTATIONS
from trainers.data.pipeline import evaluation_batches, training_batches
from trainers.data.proposals.with_proposals import propose_by
from trainers.data.registry import open_detection_dataset, title
from trainers.engine.seeding import seeded
from trainers.engine.task import Task
from trainers.metrics import coco, report, voc
from trainers.metrics.percent import percent
from trainers.plots.drawing import draw_detections
from trainers.plots.figures import learning_curve, precision_recall
from trainers.runtime.choices import SHOWN_SCORE
from trainers.runtime.failures import ASSERTION, naming
from trainers.tasks import fine_tuning, specs
from trainers.tasks.detection_config import BoxChoices, box_config
from trainers.tasks.nets import GENERAL, general_builder
from trainers.tasks.specs import SYSTEMS, TEST_OPTIONS

INPUTS = ("images", "image_shapes", "proposals")
ANNOTATION = ("true_boxes", "true_classes", "ignored", "areas")

LARGEST_EVALUATION_BATCH = 8  # images on one replica
PICTURES = 4  # test images that TensorBoard shows
LARGEST_PICTURE = 640  # px, of their long side


def configure(
    choices: BoxChoices,
    *,
    system: str = "faster_rcnn",
    proposals: dict | None = None,
    alternating: bool = False,
    roi_pooling: str = "max",
) -> dict:
    """Makes the configuration of a run of `Detection`: everything that is needed to repeat it.

    Args:
        choices: what every run with boxes is asked for.
        system: a name of `trainers.tasks.specs.SYSTEMS`.
        proposals: arguments of `propose_by`, for systems that do not find regions themselves; the data set has these
            proposals.
        alternating: whether Faster R-CNN is trained in four steps, instead of jointly.
        roi_pooling: how features of regions are pooled, for systems that pool them.

    Returns:
        A dict that JSON can hold.

    Raises:
        ArgumentError: for choices that do not fit together.
    """
    if alternating and system != "faster_rcnn":
        raise ArgumentError(f"alternating={alternating} is for system='faster_rcnn', not {system!r}: leave it out.")
    return {
        **box_config(specs.DETECTION, SYSTEMS[system].options, choices),
        "system": system,
        "alternating": alternating,
        "proposals": proposals,
        "pooling": {"roi_pooling": roi_pooling} if SYSTEMS[system].has_roi_pooling else {},
    }


class Detection(Task):
    """Images with boxes.

    Args:
        config: a run's configuration, as `configure` makes it.
        dataset: a `DetectionDataset` with the configuration's labels, or None.
    """

    evaluation_flags = ("ensemble", *TEST_OPTIONS)
    export_flags = ("ensemble", "svd_ranks")

    def __init__(self, config, dataset=None):
        super().__init__(config, dataset)
        self.resizing = Resizing(**config["resizing"])

    @staticmethod
    def open_dataset(config, name, data_dir, download):
        """See `Task`. The data set has the proposals that the run's detector takes."""
        dataset = open_detection_dataset(name, data_dir, download)
        return dataset if config["proposals"] is None else propose_by(dataset, **config["proposals"])

    @property
    def name(self):
        return self.config["system"]

    @property
    def title(self):
        system = SYSTEMS[self.config["system"]].title
        return f"{system} ({self.config['backbone']}) on {title(self.config['dataset'])}"

    def build_model(self):
        """Returns a new detector."""
        with seeded(self.config["seed"]):
            model = self.make_model(
                len(self.config["labels"]),
                self._backbone(),
                normalization=self.config["normalization"],
                **self.config["options"],
            )
        return fine_tuning.configured(model, self.config["freeze"], self.recipe)

    def make_model(self, *arguments, **options):
        """Returns a new detector from the arguments of its class."""
        return SYSTEMS[self.config["system"]].model(*arguments, **self.config["pooling"], **options)

    def _backbone(self):
        name = self.config["backbone"]
        if name in GENERAL:
            return general_builder(name)(self.config["block_counts"], self.config["filters"], include_top=False)
        return backbone_net(name, **self._width) if self._width else name

    @property
    def _width(self):
        """The argument `width` of the backbone's builder as a dict; the configurations of older runs lack it."""
        width = self.config.get("width")
        return {} if width is None else {"width": width}

    def initialize(self, model):
        """Loads the weights of --init_weights into the backbone. The other weights stay random."""
        if self.config["init_weights"] is not None:
            with naming("--init_weights"):
                name, weights = self.config["backbone"], self.config["init_weights"]
                net = self._backbone() if name in GENERAL else classification_net(name, **self._width)
                load_backbone(model, net, resolve(weights, name, **self._width))

    @classmethod
    def with_options(cls, config, options):
        """See `Task`: other `TEST_OPTIONS`."""
        if not options:
            return config
        options = {**config["options"], **options}
        make_options(options, SYSTEMS[config["system"]].options)
        return {**config, "options": options}

    @classmethod
    def ensemble_problem(cls, config, member, dataset_name):
        """See `Task`. Members are Faster R-CNNs that resize images alike."""
        if {member["system"], config["system"]} != {"faster_rcnn"}:
            return "both must be of Faster R-CNN, leave it out"
        if member["resizing"] != config["resizing"]:
            return "they resize images to different sizes, leave it out"
        return None

    def ensemble(self, models):
        """Returns detectors as one: see `keras_resnets.Ensemble`."""
        return keras_resnets.Ensemble(models, models)

    def learning_rate_factors(self, model):
        return fine_tuning.learning_rate_factors(
            model, self.config["stage_learning_rates"], self.recipe.bias_learning_rate
        )

    def training_batches(self, first_step, context):
        """Returns batches of the model's inputs, its targets, and seeds.

        They have `images` (B, H, W, 3) uint8, `image_shapes` (B, 2) int32, `boxes` (B, G, 4) float32 and `classes`
        (B, G) int32, padded with -1, and `seed` (B, 2); where the data set has proposals, also `proposals` (B, R, 4)
        float32, padded with boxes without area.
        """
        augmentation = AUGMENTATIONS[self.recipe.augmentation]
        resizing = augmentation.resizing(self.resizing)

        def transform(example, seed):
            augmentation_seed, sample_seed = tf.unstack(tf.random.split(seed, 2))
            trained_on = ~example["ignored"]
            boxes, classes = (tf.boolean_mask(example[name], trained_on) for name in ("boxes", "classes"))
            proposals = example.get("proposals", tf.zeros([0, 4]))
            moved = tf.concat([proposals, boxes], axis=0)
            image, moved = augmentation.change(example["image"].pixels(), moved, resizing, augmentation_seed)
            proposals, boxes = tf.split(moved, [proposals.shape[0], -1])
            image, shape = resizing.pad(image)
            is_there = areas(boxes) > 0
            return {
                **({"proposals": proposals} if "proposals" in example else {}),
                # A quarter of the bytes of float32 to copy to the device.
                "images": tf.cast(tf.round(image), tf.uint8),
                "image_shapes": shape,
                "boxes": _padded(tf.boolean_mask(boxes, is_there), -1.0, self.config["max_boxes"]),
                "classes": _padded(tf.boolean_mask(classes, is_there), -1, self.config["max_boxes"]),
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
        """Returns batches of `images` (B, H, W, 3) float32, `image_shapes`, `scales` and the annotation: see `Task`.

        `scales` (B, 2) has the height and width of an image as multiples of its original's. The annotation is
        `true_boxes` (B, G, 4) and `areas` (B, G), in pixels of the original, `true_classes` and `ignored` (B, G).
        """
        replicas = context.num_replicas_in_sync if context is not None else 1
        parts = replicas * self.recipe.accumulation
        batch_size = max(1, min(LARGEST_EVALUATION_BATCH, self.recipe.batch_size // parts))
        return evaluation_batches(self.dataset.test, self.evaluation_example, batch_size=batch_size, context=context)

    def evaluation_example(self, example):
        """Returns an example of a split in the form of `evaluation_batches`."""
        limit = max(self.config["max_boxes"], self.dataset.max_boxes or 0)
        image, scale = self.resizing.resize(example["image"].pixels())
        image, shape = self.resizing.pad(image)
        given = {}
        if "proposals" in example:
            given["proposals"] = from_original(example["proposals"], scale)
        return {
            **given,
            "images": image,
            "image_shapes": shape,
            "scales": scale,
            "true_boxes": _padded(example["boxes"], -1.0, limit),
            "true_classes": _padded(example["classes"], -1, limit),
            "ignored": _padded(tf.cast(example["ignored"], tf.int32), 0, limit),  # Replicas cannot gather bool.
            "areas": _padded(example["areas"], -1.0, limit),
        }

    def losses(self, model, batch, training):
        """Returns the detector's losses, and the same numbers to log."""
        losses = self.terms(model, self.inputs(batch), self.targets(batch), batch["seed"], training)
        return losses, {f"{name}_loss": loss for name, loss in losses.items()}

    def inputs(self, batch):
        """Returns the detector's inputs in a batch."""
        return {name: batch[name] for name in INPUTS if name in batch}

    def targets(self, batch):
        """Returns the detector's targets in a training batch."""
        return {name: batch[name] for name in ("boxes", "classes")}

    def terms(self, model, inputs, targets, seeds, training):
        """Returns the terms of the loss."""
        return model.training_losses(inputs, targets, seeds, training=training)

    def predictions(self, model, batch):
        """Returns detections and annotation of each image, in pixels of the original: see `trainers.metrics.voc`."""
        found = self.detections(model, self.inputs(batch))
        annotation = {name: batch[name] for name in ANNOTATION}
        boxes = to_original(found["boxes"], batch["scales"])
        return {**annotation, "boxes": boxes, "scores": found["scores"], "classes": found["classes"]}

    def detections(self, model, inputs):
        """Returns the detector's output."""
        return model(inputs)

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

    def selection_metric(self, metrics):
        """Returns one minus the mean average precision of VOC."""
        return 1 - (metrics["map_50"] or 0.0)

    def pictures(self, predictions):
        """Returns the first few test images with their detections."""
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
        """Draws VOC's and COCO's mean average precision over steps."""
        series = [
            ("map_50", "mAP@.5", {"linewidth": 2, "color": "tab:blue"}),
            ("map", "mAP@[.5,.95]", {"linewidth": 1, "color": "tab:green"}),
        ]
        learning_curve(lines, series, "mean average precision", self.title, path)

    def report(self, predictions, metrics, run):
        """Writes `per_class.csv` and `precision_recall.png`."""
        labels = self.config["labels"]
        curves, _, by_class = self._measured(predictions)
        report.write_per_class(run.per_class, labels, curves, by_class)
        heading = f"{self.title}: mAP@.5 {percent(metrics['map_50'])}"
        precision_recall(curves, labels, heading, run.precision_recall)

    def summary(self, metrics):
        return f"mAP@.5 {percent(metrics['map_50'])}, mAP@[.5,.95] {percent(metrics['map'])}"

    def export(self, model, base, version, **settings):
        """Writes a detector, or an ensemble: see `export_detector`."""
        if self.config["proposals"] is not None:
            settings["num_proposals"] = self.config["proposals"]["limit"]
        return export_detector(model, self.resizing, self.config["labels"], base, version, **settings)


def _padded(rows, value, limit):
    """Pads (n, ...) to (limit, ...); limit is the value of --max_boxes, or of the test images' most boxes."""
    count = tf.shape(rows)[0]
    message = (
        f"{ASSERTION}an image has more boxes than --max_boxes={limit}: pass a larger one, and train in another "
        "--model_dir if this was training."
    )
    with tf.control_dependencies([tf.debugging.assert_less_equal(count, limit, message)]):
        missing = tf.maximum(limit - count, 0)
    padded = tf.pad(rows, [[0, missing], *[[0, 0]] * (len(rows.shape) - 1)], constant_values=value)
    return tf.ensure_shape(padded, [limit, *rows.shape[1:]])
