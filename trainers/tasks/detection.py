"""The task of `trainers.engine.loop` for images with boxes."""

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.detection.backbones import backbone_net, classification_net, load_backbone
from keras_resnets.detection.resizing import Resizing, from_original, to_original
from keras_resnets.ops.boxes import areas
from keras_resnets.serving import export_detector
from keras_resnets.surgery.graph import batch_normalizations
from keras_resnets.weights.published import resolve
from trainers.data.augmentation.detection import AUGMENTATIONS
from trainers.data.pipeline import evaluation_batches, training_batches
from trainers.data.proposals.with_proposals import propose_by
from trainers.data.registry import open_detection_dataset, title
from trainers.metrics import coco, report, voc
from trainers.plots.drawing import draw_detections
from trainers.plots.figures import learning_curve, precision_recall
from trainers.recipes import recipe
from trainers.runtime.choices import SHOWN_SCORE
from trainers.runtime.failures import TOO_MANY_BOXES, naming
from trainers.tasks import detection_config, fine_tuning, specs
from trainers.tasks.nets import GENERAL, general_builder
from trainers.tasks.specs import SYSTEMS


def configure(*arguments, system="faster_rcnn", proposals=None, alternating=False, roi_pooling="max", **choices):
    """Makes the configuration of a run of `Detection`.

    Args:
        *arguments, **choices: those of `trainers.tasks.detection_config.box_config` after the first two.
        system: a name of `trainers.tasks.specs.SYSTEMS`.
        proposals: for systems that do not find regions themselves, arguments of `propose_by`;
            the data set has these proposals.
        alternating: whether Faster R-CNN is trained in four steps, instead of jointly.
        roi_pooling: the value of --roi_pooling, for systems that have a choice.

    Returns:
        A dict that can be written as JSON.

    Raises:
        ArgumentError: for choices that do not fit together.
    """
    if alternating and system != "faster_rcnn":
        raise ArgumentError(f"alternating={alternating} is for system='faster_rcnn', not {system!r}: leave it out.")
    return {
        **detection_config.box_config(specs.DETECTION, SYSTEMS[system].options, *arguments, **choices),
        "system": system,
        "alternating": alternating,
        "proposals": proposals,
        "pooling": {"roi_pooling": roi_pooling} if SYSTEMS[system].has_roi_pooling else {},
    }


INPUTS = ("images", "image_shapes", "proposals")


ANNOTATION = ("true_boxes", "true_classes", "ignored", "areas")


LARGEST_EVALUATION_BATCH = 8  # images on one replica


PICTURES = 4  # test images that TensorBoard shows


LARGEST_PICTURE = 640  # px, of their long side


class Detection:
    """The task of `trainers.engine.loop` for images with boxes.

    Args:
        config: a run's configuration, as `configure` makes it.
        dataset: a `DetectionDataset` with the configuration's labels.
    """

    def __init__(self, config, dataset):
        self.config = config
        self.dataset = dataset
        self.recipe = recipe.Recipe(**config["recipe"])
        self.resizing = Resizing(**config["resizing"])

    @staticmethod
    def open_dataset(config, name, data_dir, download):
        """Opens a run's data set, or another one, for an evaluation, with the proposals that its detector takes."""
        dataset = open_detection_dataset(name, data_dir, download)
        return dataset if config["proposals"] is None else propose_by(dataset, **config["proposals"])

    @property
    def name(self):
        """What a file is called that is made from the model."""
        return self.config["system"]

    @property
    def title(self):
        """Heading of pictures and figures."""
        system = SYSTEMS[self.config["system"]].title
        return f"{system} ({self.config['backbone']}) on {title(self.config['dataset'])}"

    def build_model(self):
        """Returns a new detector."""
        keras.utils.set_random_seed(self.config["seed"])
        model = self.make_model(
            len(self.config["labels"]),
            self._backbone(),
            normalization=self.config["normalization"],
            **self.config["options"],
        )
        fine_tuning.freeze(model, self.config["freeze"])
        if self.recipe.batch_norm_momentum is not None:
            for layer in batch_normalizations(model):
                layer.momentum = self.recipe.batch_norm_momentum
        return model

    def make_model(self, *arguments, **options):
        """Returns a new detector with these arguments."""
        return SYSTEMS[self.config["system"]].model(*arguments, **self.config["pooling"], **options)

    def _backbone(self):
        name = self.config["backbone"]
        if name in GENERAL:
            return general_builder(name)(self.config["block_counts"], self.config["filters"], include_top=False)
        return backbone_net(name, **self._width) if self._width else name

    @property
    def _width(self):
        """The argument `width` of the backbone's builder, where there is one; older runs have none."""
        width = self.config.get("width")
        return {} if width is None else {"width": width}

    def initialize(self, model):
        """Loads the weights of --init_weights into the backbone; what the classification net does not have starts anew.

        Returns:
            None.
        """
        if self.config["init_weights"] is not None:
            with naming("--init_weights"):
                name, weights = self.config["backbone"], self.config["init_weights"]
                net = self._backbone() if name in GENERAL else classification_net(name, **self._width)
                load_backbone(model, net, resolve(weights, name, **self._width))

    def ensemble(self, models):
        """Returns detectors of these tasks as one: see `keras_resnets.Ensemble`."""
        return keras_resnets.Ensemble(models, models)

    def learning_rate_factors(self, model):
        """Returns the factors of --stage_learning_rates and of biases for each trainable variable, or None."""
        rates = self.config["stage_learning_rates"]
        return fine_tuning.learning_rate_factors(model, rates, self.recipe.bias_learning_rate)

    def training_batches(self, first_step, context):
        """Returns batches of what the model takes, of its targets, and of seeds.

        `images` (B, H, W, 3) uint8, `image_shapes` (B, 2) int32, `boxes` (B, G, 4) float32 and `classes` (B, G) int32,
        padded with -1, `proposals` (B, R, 4) float32, padded with boxes without area, where the data set has them, and
        `seed` (B, 2).
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
                # A quarter of the bytes of float32, on their way to the device.
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

    def forms(self):
        """Returns the only form of a batch, the one it has."""
        return [lambda batch: batch]

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
        """Returns an example of a split, as `evaluation_batches` has it."""
        limit = max(self.config["max_boxes"], self.dataset.most_boxes or 0)
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
        """Returns the losses of the detector, and the same as figures."""
        losses = self.terms(model, self.inputs(batch), self.targets(batch), batch["seed"], training)
        return losses, {f"{name}_loss": loss for name, loss in losses.items()}

    def inputs(self, batch):
        """Returns what the detector takes, of a batch."""
        return {name: batch[name] for name in INPUTS if name in batch}

    def targets(self, batch):
        """Returns what the detector learns, of a batch for training."""
        return {name: batch[name] for name in ("boxes", "classes")}

    def terms(self, model, inputs, targets, seeds, training):
        """Returns the terms of the loss."""
        return model.training_losses(inputs, targets, seeds, training=training)

    def predictions(self, model, batch):
        """Returns detections and annotation of each image, in pixels of the original: see `trainers.metrics`."""
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
        learning_curve(lines, series, "mean average precision", self.title, path)

    def report(self, predictions, metrics, run):
        """Writes an evaluation into a run's folder, class by class: `per_class.csv` and `precision_recall.png`."""
        labels = self.config["labels"]
        curves, _, by_class = self._measured(predictions)
        report.write_per_class(run.per_class, labels, curves, by_class)
        heading = f"{self.title}: mAP@.5 {percent(metrics['map_50'])}"
        precision_recall(curves, labels, heading, run.precision_recall)

    def summary(self, metrics):
        """Returns an evaluation in words."""
        return f"mAP@.5 {percent(metrics['map_50'])}, mAP@[.5,.95] {percent(metrics['map'])}"

    def build_for_export(self):
        """Returns a new model for `export`."""
        return self.build_model()

    def export(self, model, base, version, format="saved_model", stages=(), **settings):
        """Writes a model of `build_for_export`, or an ensemble, for TensorFlow Serving: see `write_export`."""
        if stages or format != "saved_model":
            flag = f"--stages={','.join(stages)}" if stages else f"--format={format}"
            raise ArgumentError(f"{flag} is for classification nets: leave it out.")
        return self.write_export(model, base, version, **settings)

    def write_export(self, model, *arguments, **settings):
        """Writes a model: see `export_detector`."""
        if self.config["proposals"] is not None:
            settings["num_proposals"] = self.config["proposals"]["limit"]
        return export_detector(model, self.resizing, self.config["labels"], *arguments, **settings)


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
