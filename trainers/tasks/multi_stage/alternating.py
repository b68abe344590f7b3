"""Faster R-CNN in four steps of alternating training (arXiv 1506.01497, section 3.2).

1. The trunk and the proposal network learn, from the initial weights.
2. Another trunk, from the same weights, and the network of regions learn on the proposals of step 1.
3. A new proposal network learns on the trunk of step 2, which stays as it is.
4. The network of regions of step 2 goes on, on that trunk and the proposals of step 3.

Each step is a run of its own in a folder of the run. The steps for proposals have the recipe's length and batch size,
the steps for regions multiples of these (`BoxRecipe.region_steps`). In the authors' code, they are 80,000 steps of one
image and 40,000 of two.
"""

import dataclasses
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_resnets.detection.region_detector import given_proposals
from keras_resnets.detection.resizing import to_original
from trainers.data.detection_dataset import Annotation, DetectionDataset
from trainers.data.proposals.with_proposals import with_proposals
from trainers.data.split import Split
from trainers.engine.checkpoints import trained_model
from trainers.engine.predictor import predictor
from trainers.engine.run_folder import RunFolder
from trainers.engine.task import Stages
from trainers.engine.train import train
from trainers.metrics.recall import average_recall, recall
from trainers.plots import figures
from trainers.recipes.detection import RECIPES
from trainers.recipes.recipe import BoxRecipe, change, with_fitting_batch
from trainers.tasks.box_task import ANNOTATION
from trainers.tasks.detector_task import DetectorTask

PARTS = ("trunk", "rpn", "region_network", "head")


class Step(DetectorTask):
    """One step of the four, of the whole detector.

    Args:
        config: the run's configuration, with the step's length and batch size.
        dataset: see `DetectorTask`.
        trained: the parts that learn.
        start: detectors by the parts that are copied from them; the other parts begin as those of a new detector.
    """

    def __init__(
        self,
        config: dict[str, Any],
        dataset: DetectionDataset,
        trained: Sequence[str] = (),
        start: Mapping[str, keras.Model] = types.MappingProxyType({}),
    ):
        super().__init__(config, dataset)
        self._trained, self._start = trained, start

    def build_model(self):
        model = super().build_model()
        for name in PARTS:
            if name not in self._trained:
                getattr(model, name).trainable = False
        return model

    def initialize(self, model):
        super().initialize(model)
        for name, source in self._start.items():
            getattr(model, name).set_weights(getattr(source, name).get_weights())


class ProposalStep(Step):
    """Steps 1 and 3: the proposal network, measured by its recall.

    Args:
        config, dataset, trained, start: see `Step`.
        train_topk: whether images have as many proposals as in training, instead of as in inference.
    """

    def __init__(self, *arguments, train_topk: bool = False):
        super().__init__(*arguments)
        self._train_topk = train_topk

    def terms(self, model, inputs, targets, seeds, training):
        return model.proposal_losses(model.features(inputs, training), inputs, targets, seeds, training)[0]

    def predictions(self, model, batch):
        _, proposals, _ = model.propose(self.inputs(batch), train_topk=self._train_topk)
        annotation = {name: batch[name] for name in ANNOTATION}
        return {**annotation, "proposals": to_original(proposals, batch["scales"])}

    def metrics(self, predictions):
        """Returns `recall_50`, `recall_70` and `average_recall`, None where there is no object."""
        boxes, count = list(predictions["proposals"]), predictions["proposals"].shape[1]
        annotations = [_annotation(*rows) for rows in zip(*(predictions[name] for name in ANNOTATION))]
        shares = *recall(boxes, annotations, (0.5, 0.7), [count])[0], average_recall(boxes, annotations, [count])[0]
        names = ("recall_50", "recall_70", "average_recall")
        return {name: None if np.isnan(share) else float(share) for name, share in zip(names, shares)}

    def selection_metric(self, metrics):
        """Returns one minus the average recall."""
        return 1 - (metrics["average_recall"] or 0.0)

    def pictures(self, predictions):
        """Returns no pictures."""
        return {}

    def report(self, predictions, metrics, run):
        """Writes nothing."""
        return {}

    def draw_learning_curve(self, lines, path):
        """Draws the recall over steps."""
        series = [
            ("recall_50", "IoU 0.5", {"linewidth": 2, "color": "tab:blue"}),
            ("average_recall", "average, IoU 0.5 to 1", {"linewidth": 1, "color": "tab:green"}),
        ]
        figures.learning_curve(lines, series, "recall", f"Proposals of {self.title}", path)

    def proposals(
        self, model: keras.Model, split: Split, strategy: tf.distribute.Strategy, train_topk: bool
    ) -> list[np.ndarray]:
        """Returns the proposals of a split: a list of (n, 4) float32, in pixels of the original images."""
        task = ProposalStep(self.config, dataclasses.replace(self.dataset, test=split), train_topk=train_topk)
        proposals = predictor(task, model, strategy)()["proposals"]
        return [rows[(rows[:, 2] > rows[:, 0]) & (rows[:, 3] > rows[:, 1])] for rows in proposals]


class RegionStep(Step):
    """Steps 2 and 4: the network of regions, on the proposals of the data set."""

    def examine(self, model, run):
        """Examines nothing: no anchors are trained."""
        return []

    def terms(self, model, inputs, targets, seeds, training):
        features = model.features(inputs, training)
        return model.region_losses(features, *given_proposals(inputs), inputs, targets, seeds, training)

    def detections(self, model, inputs):
        return model.detect(model.features(inputs), *given_proposals(inputs), inputs["image_shapes"])


def stages(task: DetectorTask) -> Stages:
    """Returns the four steps of a Faster R-CNN.

    Raises:
        ArgumentError: if a step for regions has more images than there are.
    """
    # Steps of training, and images of each.
    lengths = {ProposalStep: (task.config["steps"], task.recipe.batch_size), RegionStep: _region_length(task)}

    def train_steps(run, strategy, settings):
        return _Alternation(task, lengths, run, strategy, settings).train()

    return Stages("--alternating", train_steps)


class _Alternation:
    """The four steps of a run.

    Args:
        task: of the whole run.
        lengths: dict of `ProposalStep` and `RegionStep` to the number of training steps, and of images in each.
        run, strategy, settings: see `Stages`.
    """

    def __init__(self, task, lengths, run, strategy, settings):
        self._task, self._lengths = task, lengths
        self._run, self._strategy, self._settings = run, strategy, settings
        self._seconds = {}

    def train(self):
        """Trains the steps that are not complete; returns the last detector, and the seconds of each step."""
        whole, regions = self._task.dataset, ("trunk", "region_network", "head")
        rpn = self._train_step("step1_rpn", ProposalStep, whole, ("trunk", "rpn"), {})
        detector = self._train_step("step2_regions", RegionStep, self._proposed(*rpn), regions, {})[1]
        rpn = self._train_step("step3_rpn", ProposalStep, whole, ("rpn",), {"trunk": detector})
        start = {**dict.fromkeys(regions, detector), "rpn": rpn[1]}
        detector = self._train_step("step4_regions", RegionStep, self._proposed(*rpn), regions[1:], start)[1]
        return detector, self._seconds

    def _train_step(self, name, step_class, dataset, trained, start):
        """Trains one step in a folder of its own, or goes on with it; returns its task and its detector."""
        config, (steps, batch_size) = self._task.config, self._lengths[step_class]
        config = {**config, "steps": steps, "recipe": {**config["recipe"], "batch_size": batch_size}}
        print(f"{name}: {steps} steps, batch size {batch_size}", file=sys.stderr)
        step, folder = step_class(config, dataset, trained, start), RunFolder(self._run.path / name, self._run.chief)
        results = train(step, folder, strategy=self._strategy, **self._settings)
        self._seconds[name] = results["seconds"]
        return step, trained_model(step, folder)

    def _proposed(self, step, model):
        """Returns the data set with the proposals of a `ProposalStep`."""

        def with_its_proposals(split, many):
            return with_proposals(split, lambda: step.proposals(model, split, self._strategy, many))

        dataset = self._task.dataset
        train, test = with_its_proposals(dataset.train, True), with_its_proposals(dataset.test, False)
        return dataclasses.replace(dataset, train=train, test=test)


def _region_length(task):
    """Returns how many steps of training a step for regions has, and of how many images."""
    row = RECIPES.get(task.config["recipe_name"])
    longer, larger = BoxRecipe.region_steps if row is None else row.region_steps
    recipe = change(task.recipe, batch_size=larger * task.recipe.batch_size)
    batch_size = with_fitting_batch(recipe, task.dataset.train.size).batch_size
    return max(1, int(longer * task.config["steps"])), batch_size


def _annotation(boxes, classes, ignored, areas):
    exists = classes >= 0
    return Annotation(boxes[exists], classes[exists], ignored[exists] > 0, areas[exists])
