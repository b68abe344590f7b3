"""A detector that is trained in one training loop, and measured by its average precision."""

from keras_resnets.detection.resizing import to_original
from keras_resnets.serving import export_detector
from trainers.data.proposals.with_proposals import propose_by
from trainers.data.registry import title
from trainers.metrics import coco, report, voc
from trainers.metrics.percent import percent
from trainers.plots.figures import learning_curve, precision_recall
from trainers.runtime.failures import naming
from trainers.tasks.box_task import ANNOTATION, BoxTask
from trainers.tasks.specs import SYSTEMS


class DetectorTask(BoxTask):
    """One training loop of a detector: `trainers.tasks.detection.Detection`, or one of its stages.

    Args:
        config: a run's configuration, as `trainers.tasks.detection.configure` makes it.
        dataset: a `DetectionDataset` with the configuration's labels, or None.
    """

    @staticmethod
    def open_dataset(config, name, data_dir, download):
        """See `Task`. The data set has the proposals that the run's detector takes."""
        dataset = BoxTask.open_dataset(config, name, data_dir, download)
        return dataset if config["proposals"] is None else propose_by(dataset, **config["proposals"])

    @property
    def name(self):
        return self.config.get("detector") or self.config["system"]  # Older runs have no detector.

    @property
    def title(self):
        system = SYSTEMS[self.config["system"]].title
        return f"{system} ({self.config['backbone']}) on {title(self.config['dataset'])}"

    def make_model(self, *arguments, **options):
        system = SYSTEMS[self.config["system"]]
        with naming("--anchor_sizes", about="anchor_sizes"):
            return system.model(*arguments, **system.arguments, **self.config["pooling"], **options)

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
        report.write_per_class(run.path / "per_class.csv", labels, curves, by_class)
        heading = f"{self.title}: mAP@.5 {percent(metrics['map_50'])}"
        precision_recall(curves, labels, heading, run.path / "precision_recall.png")
        values, objects = zip(*((curve.average_precision, curve.ground_truths) for curve in curves))
        return {"worst_classes": report.worst_classes(labels, "ap_50", values, "objects", objects)}

    def summary(self, metrics):
        return f"mAP@.5 {percent(metrics['map_50'])}, mAP@[.5,.95] {percent(metrics['map'])}"

    def export(self, model, base, version, **settings):
        """Writes a detector, or an ensemble: see `export_detector`."""
        if self.config["proposals"] is not None:
            settings["num_proposals"] = self.config["proposals"]["limit"]
        return export_detector(model, self.resizing, self.config["labels"], base, version, **settings)
