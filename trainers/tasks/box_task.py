"""What all tasks with boxes share: a net on a backbone, and batches of images with their objects."""

import abc
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from keras_resnets.detection.backbones import backbone_net, classification_net, load_backbone
from keras_resnets.detection.registry import load_detector
from keras_resnets.detection.resizing import Resizing, from_original
from keras_resnets.ops.boxes import areas
from trainers.data.augmentation.detection import AUGMENTATIONS
from trainers.data.box_masks import box_masks
from trainers.data.detection_dataset import DetectionDataset
from trainers.data.pipeline import evaluation_batches, training_batches
from trainers.data.registry import open_detection_dataset
from trainers.data.split_names import split_of_run
from trainers.engine import fine_tuning
from trainers.engine.older_runs import OLDER_VOC_FIRST_PIXEL
from trainers.engine.seeding import seeded
from trainers.engine.task import Task
from trainers.metrics.masks import decode
from trainers.plots.drawing import draw_detections, shade_masks
from trainers.runtime.choices import SHOWN_SCORE
from trainers.runtime.failures import ASSERTION, naming
from trainers.tasks.nets import GENERAL, general_builder
from trainers.tasks.starting_weights import detector_file, keeping_other_classifiers, weight_file

INPUTS = ("images", "image_shapes", "proposals")
OBJECTS = {"boxes": -1.0, "classes": -1, "masks": 0}  # what a detector learns from, and the padding
ANNOTATION = ("true_boxes", "true_classes", "ignored", "areas")

LARGEST_EVALUATION_BATCH = 8  # images on one replica
PICTURES = 4  # test images that TensorBoard shows
LARGEST_PICTURE = 640  # px, of their long side


class BoxTask(Task):
    """Images with boxes.

    Args:
        config: a run's configuration: see `trainers.tasks.detection_config.box_config`.
        dataset: a `DetectionDataset` with the configuration's labels, or None.
    """

    def __init__(self, config: dict[str, Any], dataset: DetectionDataset | None = None):
        super().__init__(config, dataset)
        self.resizing = Resizing(**config["resizing"])

    @staticmethod
    def open_dataset(config, name, data_dir, download, masks=False):
        """See `Task`. The run's own data set is opened as in training; `masks` says whether with the objects' masks."""
        is_own = name == config["dataset"]
        return open_detection_dataset(
            name,
            data_dir,
            download,
            voc_first_pixel=config.get("voc_first_pixel", OLDER_VOC_FIRST_PIXEL) if is_own else "auto",
            labels=config["labels"],
            measured=split_of_run(config) if is_own else None,
            evaluation=True,
            masks=masks,
        )

    def build_model(self):
        """Returns a new net of the class of `make_model`."""
        with seeded(self.config["seed"]):
            model = self.make_model(
                len(self.config["labels"]),
                self._backbone(),
                normalization=self.config["normalization"],
                **self.config["options"],
            )
        return fine_tuning.configured(model, self.config["freeze"], self.recipe)

    @abc.abstractmethod
    def make_model(self, *arguments, **options) -> keras.Model:
        """Returns a new net from the arguments of its class in `keras_resnets`."""

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
        """Loads the weights of --init_weights, of the whole detector, or of its backbone. The others stay random."""
        weights = self.config["init_weights"]
        if weights is None:
            return None
        with naming("--init_weights"):
            file = detector_file(weights, self.config.get("detector"))
            if file is None:
                self._initialize_backbone(model, weights)
                return None
            with keeping_other_classifiers(model, weights, self.config["labels"]) as kept:
                epsilon = self.config.get("frozen_batch_norm_epsilon")  # Older runs have none.
                left = dict.fromkeys([*kept, *load_detector(model, self.config["detector"], file, True, epsilon)])
        if not left:
            return None
        return f"--init_weights: {', '.join(left)} are initialized at random: the weights have none for these classes"

    def _initialize_backbone(self, model, weights):
        name = self.config["backbone"]
        net = self._backbone() if name in GENERAL else classification_net(name, **self._width)
        with weight_file(weights, name, self._width) as path:
            load_backbone(model, net, path)

    def training_batches(self, first_step, context):
        """Returns batches of the model's inputs, its targets, and seeds.

        They have `images` (B, H, W, 3) uint8, `image_shapes` (B, 2) int32, `boxes` (B, G, 4) float32 and `classes`
        (B, G) int32, padded with -1, and `seed` (B, 2); where the data set has proposals, also `proposals` (B, R, 4)
        float32, padded with boxes without area; where it has masks, also `masks` (B, G, M, M) float16, in the boxes.
        """
        augmentation = AUGMENTATIONS[self.recipe.augmentation]
        resizing = augmentation.resizing(self.resizing)

        def transform(example, seed):
            augmentation_seed, sample_seed = tf.unstack(tf.random.split(seed, 2))
            objects = _trained_on(example)
            proposals = example.get("proposals", tf.zeros([0, 4]))
            moved = tf.concat([proposals, objects["boxes"]], axis=0)
            pixels, count, masks = example["image"].pixels(), proposals.shape[0], objects.get("masks")
            image, moved, masks = augmentation.change(pixels, moved, resizing, augmentation_seed, count, masks)
            proposals, boxes = tf.split(moved, [count, -1])
            objects |= {"boxes": boxes} | ({} if masks is None else {"masks": masks})
            image, shape = resizing.pad(image)
            return {
                **({"proposals": proposals} if "proposals" in example else {}),
                # A quarter of the bytes of float32 to copy to the device.
                "images": tf.cast(tf.round(image), tf.uint8),
                "image_shapes": shape,
                **_seen(objects, self.config["max_boxes"]),
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
            "true_boxes": padded(example["boxes"], -1.0, limit),
            "true_classes": padded(example["classes"], -1, limit),
            "ignored": padded(tf.cast(example["ignored"], tf.int32), 0, limit),  # Replicas cannot gather bool.
            "areas": padded(example["areas"], -1.0, limit),
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
        return {name: batch[name] for name in OBJECTS if name in batch}

    def terms(self, model, inputs, targets, seeds, training):
        """Returns the terms of the loss."""
        return model.training_losses(inputs, targets, seeds, training=training)

    def pictures(self, predictions):
        """Returns the first few test images with their detections."""
        split = self.dataset.test
        images = split.keys(None).take(PICTURES).map(lambda key: split.load(key)["image"].pixels())
        pictures = {}
        for i, image in enumerate(images.as_numpy_iterator()):
            # TensorBoard keeps every picture of every evaluation.
            scale = min(1.0, LARGEST_PICTURE / max(image.shape[:2]))
            height, width = (max(1, round(side * scale)) for side in image.shape[:2])
            shown = predictions["scores"][i] >= SHOWN_SCORE
            boxes, classes, scores = (predictions[name][i][shown] for name in ("boxes", "classes", "scores"))
            if "masks" in predictions:
                masks = (decode(runs, *image.shape[:2]) for runs in predictions["masks"][i][shown])
                image = shade_masks(image, masks, classes)
            image = np.asarray(Image.fromarray(image).resize((width, height)))
            pictures[f"detections/{i}"] = draw_detections(image, boxes * scale, classes, self.config["labels"], scores)
        return pictures


def _trained_on(example):
    """Returns the objects of an example that are trained on: those of `OBJECTS` that it has, with masks in boxes."""
    chosen = {name: tf.boolean_mask(example[name], ~example["ignored"]) for name in OBJECTS if name in example}
    if "masks" in chosen:
        chosen["masks"] = box_masks(chosen["masks"], chosen["boxes"], example["image"].shape())
    return chosen


def _seen(objects, limit):
    """Returns the objects of which an image shows something, padded."""
    is_there = areas(objects["boxes"]) > 0
    if "masks" in objects:
        is_there &= tf.reduce_any(objects["masks"] > 0, axis=[1, 2])
    return {name: padded(tf.boolean_mask(rows, is_there), OBJECTS[name], limit) for name, rows in objects.items()}


def padded(rows: tf.Tensor, value: float, limit: int) -> tf.Tensor:
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
