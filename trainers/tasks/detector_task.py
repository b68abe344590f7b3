"""A detector that is trained in one training loop, and measured by its average precision."""

import numpy as np
import tensorflow as tf

from keras_resnets.detection.base import BoxModel
from keras_resnets.detection.options import FPNOptions
from keras_resnets.detection.resizing import from_original, to_original
from keras_resnets.layers.detections import PADDING
from keras_resnets.serving import export_detector
from trainers.data.box_masks import box_masks
from trainers.data.proposals.with_proposals import propose_by
from trainers.data.registry import title
from trainers.metrics import coco, report, voc
from trainers.metrics.percent import percent
from trainers.plots.figures import learning_curve, precision_recall
from trainers.runtime.atomic_files import write_json
from trainers.runtime.failures import naming
from trainers.tasks.anchor_report import anchor_report, anchors_of
from trainers.tasks.box_task import ANNOTATION, BoxTask, padded
from trainers.tasks.pasted_masks import pasted_masks
from trainers.tasks.specs import SYSTEMS


class DetectorTask(BoxTask):
    """One training loop of a detector: `trainers.tasks.detection.Detection`, or one of its stages.

    Args:
        config: a run's configuration, as `trainers.tasks.detection.configure` makes it.
        dataset: a `DetectionDataset` with the configuration's labels, or None.
    """

    @staticmethod
    def open_dataset(config, name, data_dir, download):
        """See `Task`. The data set has the proposals or the masks that the run's detector needs."""
        dataset = BoxTask.open_dataset(config, name, data_dir, download, SYSTEMS[config["system"]].finds_masks)
        return dataset if config["proposals"] is None else propose_by(dataset, **config["proposals"])

    @property
    def name(self):
        return self.config.get("detector") or self.config["system"]  # Older runs have no detector.

    @property
    def title(self):
        system = SYSTEMS[self.config["system"]].title
        return f"{system} ({self.config['backbone']}) on {title(self.config['dataset'])}"

    def examine(self, model, run):
        """Writes `anchors.json`, the objects that the anchors reach, of a detector with anchors: see `Task`."""
        options = self.config["options"]
        if "anchor_sizes" not in options:
            return []
        anchors = anchors_of(model, self.resizing.canvas)
        given = options["anchor_sizes"], options["cross_boundary_anchors"], isinstance(model.options, FPNOptions)
        report, lines = anchor_report(self.dataset.train, self.resizing, anchors, *given)
        write_json(run.path / "anchors.json", report)
        return lines

    def make_model(self, *arguments, **options):
        system = SYSTEMS[self.config["system"]]
        with naming("--anchor_sizes", about="anchor_sizes"):
            return system.model(*arguments, **system.arguments, **self.config["pooling"], **options)

    def evaluation_example(self, example):
        """See `BoxTask`. The losses of masks need `box_masks` (G, M, M): see `trainers.data.box_masks`."""
        batched = super().evaluation_example(example)
        if not self.config.get("validation_losses") or "masks" not in example:
            return batched
        masks = box_masks(example["masks"], example["boxes"], example["image"].shape())
        return {**batched, "box_masks": padded(masks, 0, len(batched["true_boxes"]))}

    def predictions(self, model, batch):
        """Returns detections and annotation of each image, in pixels of the original: see `trainers.metrics.voc`."""
        found = self.detections(model, self.inputs(batch))
        annotation = {name: batch[name] for name in ANNOTATION}
        boxes = to_original(found["boxes"], batch["scales"])
        sizes = tf.math.divide_no_nan(tf.cast(batch["image_shapes"], tf.float32), batch["scales"])
        annotation["sizes"] = tf.cast(tf.round(sizes), tf.int32)
        losses = self.image_losses(model, batch) if self.config.get("validation_losses") else {}
        found = {name: found[name] for name in ("scores", "classes", "masks") if name in found}
        return {**annotation, **losses, **found, "boxes": boxes}

    def condensed(self, predictions):
        """Returns predictions with masks as run lengths of the original images: see `trainers.metrics.predictions`."""
        if "masks" not in predictions:
            return predictions
        runs = np.empty(predictions["classes"].shape, object)
        for i, (classes, size) in enumerate(zip(predictions["classes"], predictions["sizes"].tolist())):
            found = classes >= 0
            runs[i, found] = pasted_masks(predictions["masks"][i, found], predictions["boxes"][i, found], *size)
        return {**predictions, "masks": runs}

    def image_losses(self, model, batch):
        """Returns the terms of the loss of each image, with the same samples every time: a dict of (B,) float32.

        An ensemble has none.
        """
        if not isinstance(model, BoxModel):
            return {}
        is_trained_on = (batch["true_classes"] >= 0) & (batch["ignored"] == 0)
        boxes = from_original(batch["true_boxes"], batch["scales"])
        targets = {
            "boxes": tf.where(is_trained_on[..., tf.newaxis], boxes, float(PADDING)),
            "classes": tf.where(is_trained_on, batch["true_classes"], PADDING),
            **({"masks": batch["box_masks"]} if "box_masks" in batch else {}),
        }
        seeds = tf.stack([tf.zeros_like(batch["index"]), batch["index"]], axis=1)

        def of_image(rows):
            return self.terms(model, *tf.nest.map_structure(lambda row: row[tf.newaxis], rows), training=False)

        # A mean over a batch would count the padding of the last ones.
        losses = tf.map_fn(
            of_image,
            (self.inputs(batch), targets, seeds),
            fn_output_signature=dict.fromkeys(model.loss_names, tf.float32),
        )
        return {f"{name}_loss": values for name, values in losses.items()}

    def detections(self, model, inputs):
        """Returns the detector's output."""
        return model(inputs)

    def metrics(self, predictions):
        """Returns average precisions, averaged over the classes; None where there is no object.

        `map_50` is PASCAL VOC's, the area under the curve, `map_50_11_point` that of VOC 2007; `map`, `coco_map_50`,
        `coco_map_75`, `map_small`, `map_medium` and `map_large` are COCO's. COCO's figures of masks begin with
        `segm_`. Where losses were measured, their terms have the names of the training's, and `validation_loss` is
        their sum, without L2.
        """
        curves, figures, _ = self._measured(predictions)
        losses = {name: float(np.mean(values)) for name, values in predictions.items() if name.endswith("_loss")}
        total = {"validation_loss": sum(losses.values())} if losses else {}
        return {**voc.mean_average_precision(curves), **figures, **self._of_masks(predictions), **losses, **total}

    def _of_masks(self, predictions):
        """Returns COCO's figures of masks, where there are masks."""
        if "masks" not in predictions:
            return {}
        true_masks, split = np.empty(predictions["true_classes"].shape, object), self.dataset.test
        masks = split.keys(None).map(lambda key: split.load(key)["masks"])  # No image is decoded.
        for row, of_image in zip(true_masks, masks.as_numpy_iterator()):
            row[: len(of_image)] = of_image
        predictions = {**predictions, "true_masks": true_masks, "ignored": predictions["ignored"] > 0}
        figures, _ = coco.coco_metrics(predictions, len(self.config["labels"]), of_masks=True)
        return {f"segm_{name.removeprefix('coco_')}": value for name, value in figures.items()}

    def _measured(self, predictions):
        """Returns VOC's curves of all classes, COCO's figures, and COCO's average precision of each class."""
        predictions = {**predictions, "ignored": predictions["ignored"] > 0}
        classes = len(self.config["labels"])
        return voc.curves(predictions, classes), *coco.coco_metrics(predictions, classes)

    def selection_metric(self, metrics):
        """Returns one minus the mean average precision of VOC."""
        return 1 - (metrics["map_50"] or 0.0)

    def draw_learning_curve(self, lines, path):
        """Draws VOC's and COCO's mean average precision over steps, and the losses where both were measured."""
        series = [
            ("map_50", "mAP@.5", {"linewidth": 2, "color": "tab:blue"}),
            ("map", "mAP@[.5,.95]", {"linewidth": 1, "color": "tab:green"}),
            ("segm_map", "mAP@[.5,.95] of masks", {"linewidth": 1, "color": "tab:red"}),
        ]
        losses = [
            ("training_loss", "training, without L2", {"linewidth": 1, "color": "tab:gray"}),
            ("validation_loss", "validation", {"linewidth": 2, "color": "tab:orange"}),
        ]
        are_measured = any("validation_loss" in line for line in lines)
        lines = [{**line, "training_loss": _sum_of_terms(line)} if "loss" in line else line for line in lines]
        learning_curve(lines, series, "mean average precision", self.title, path, losses if are_measured else ())

    def report(self, predictions, metrics, run):
        """Writes `per_class.csv` and `precision_recall.png`."""
        labels = self.config["labels"]
        curves, _, by_class = self._measured(predictions)
        report.write_per_class(run.path / "per_class.csv", labels, curves, by_class)
        heading = f"{self.title}: mAP@.5 {percent(metrics['map_50'])}"
        precision_recall(curves, labels, heading, run.path / "precision_recall.png")
        values, objects = zip(*((curve.average_precision, curve.ground_truths) for curve in curves))
        return {"worst_classes": report.worst_classes(labels, "ap_50", values, "objects", objects)}

    def summary(self, metrics):
        of_masks = f", of masks {percent(metrics['segm_map'])}" if "segm_map" in metrics else ""
        return f"mAP@.5 {percent(metrics['map_50'])}, mAP@[.5,.95] {percent(metrics['map'])}{of_masks}"

    def export(self, model, base, version, **settings):
        """Writes a detector, or an ensemble: see `export_detector`."""
        if self.config["proposals"] is not None:
            settings["num_proposals"] = self.config["proposals"]["limit"]
        return export_detector(model, self.resizing, self.config["labels"], base, version, **settings)


def _sum_of_terms(line):
    """Returns the sum of the terms of a training line, or None if none was finite."""
    terms = [value for name, value in line.items() if name.endswith("_loss")]
    return None if None in terms else sum(terms)
