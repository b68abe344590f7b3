"""What the engine, evaluation and serving ask of a task."""

import abc
import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from trainers.engine.predictor import predictor
from trainers.engine.run_folder import RunFolder
from trainers.recipes.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Member:
    """A run with its net, alone or in an ensemble.

    Attributes:
        path: the run's folder.
        task: its task.
        model: its net, with the weights of a checkpoint.
        step: the checkpoint's step.
        settings: what the user wants of this member only, by the names of `Task.parse_member`.
    """

    path: pathlib.Path
    task: "Task"
    model: keras.Model
    step: int
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Stages:
    """How a run is trained that needs more than one training loop.

    Attributes:
        flag: the flag that asks for the stages, for messages.
        train: function of the run's folder, a `tf.distribute.Strategy`, and a dict of other arguments of
            `trainers.engine.train.train`. It trains the stages that are not complete, and returns the last stage's
            model and the seconds of each stage, a dict.
    """

    flag: str
    train: Callable[[RunFolder, tf.distribute.Strategy, Mapping[str, Any]], tuple[keras.Model, dict[str, float]]]


class Task(abc.ABC):
    """What is trained, evaluated and exported: a net, its data, its losses and its metrics.

    A batch is a dict of tensors (B, ...), one replica's share of a step. All batches of a split have the same static
    shapes. `B` is the batch's size, `N` the number of test examples.

    Attributes:
        config: the run's configuration, as the task's `configure` makes it.
        dataset: an open data set with `train` and `test`, each a `trainers.data.split.Split`; None where the task only
            builds its net.
        recipe: the recipe of the configuration.
        evaluation_flags: flags of `trainers.evaluate` that are for this task.
        export_flags: flags of `trainers.export` that are for this task.
        member_form: how a user writes a run of --ensemble: see `parse_member`.

    Args:
        config: as above.
        dataset: as above.
    """

    evaluation_flags: ClassVar[tuple[str, ...]] = ()
    export_flags: ClassVar[tuple[str, ...]] = ()
    member_form: ClassVar[str] = "DIR"

    def __init__(self, config: dict[str, Any], dataset=None):
        self.config = config
        self.dataset = dataset
        self.recipe = Recipe(**config["recipe"])

    # The run.

    @staticmethod
    @abc.abstractmethod
    def open_dataset(config: dict[str, Any], name: str, data_dir: str | None, download: bool):
        """Opens the data set of a configuration, or another one to evaluate with.

        Args:
            config: a run's configuration.
            name: a value of --dataset.
            data_dir: where TensorFlow Datasets keeps its data; None for its default.
            download: whether TensorFlow Datasets may download what is missing.

        Raises:
            ArgumentError: if there is no such data set, or it is damaged.
        """

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The model's name in file names and results."""

    @property
    @abc.abstractmethod
    def title(self) -> str:
        """Heading of figures and results."""

    # The net.

    @abc.abstractmethod
    def build_model(self) -> keras.Model:
        """Returns a new net. Its initial weights depend on the configuration's seed only."""

    def initialize(self, model: keras.Model) -> str | None:
        """Loads the weights that training starts from, where these are not the builder's.

        Returns:
            A line to print, or None.
        """
        return None

    def examine(self, model: keras.Model, run: RunFolder) -> list[str]:
        """Examines the training split before the first step; writes what it finds into the run's folder.

        Args:
            model: the net that is trained.
            run: the run's folder, whose files this process writes.

        Returns:
            Lines to print.
        """
        return []

    def stages(self) -> Stages | None:
        """Returns how a run is trained in several stages; None for one training loop.

        Raises:
            ArgumentError: for a configuration that the stages cannot have.
        """
        return None

    # The data.

    @abc.abstractmethod
    def training_batches(self, first_step: int, context: tf.distribute.InputContext) -> tf.data.Dataset:
        """Returns the batches of one machine, from a step on, without end.

        Args:
            first_step: the step of the first batch, from 0 on.
            context: of this machine.
        """

    @abc.abstractmethod
    def evaluation_batches(self, context: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
        """Returns the batches of one machine's share of the test split.

        A batch has `index` (B,), the examples' numbers in the split, and `weight` (B,): 1 for an example, 0 for padding
        of the last batches.
        """

    def resolutions(self) -> Sequence[Callable[[dict], dict]]:
        """Returns functions of a training batch, one for each resolution of training.

        `batch["resolution"]` (B,) int32 selects the function; its result goes to `losses`. The number is the same for
        all replicas. Each resolution has static shapes of its own. The batches of a task with one resolution do not
        have the number.
        """
        return [lambda batch: batch]

    # Losses and metrics.

    @abc.abstractmethod
    def losses(
        self, model: keras.Model, batch: dict[str, tf.Tensor], training: bool
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Returns the terms of the loss, which are added up, and figures that are logged.

        Both are dicts of float32 scalars, means over the batch.
        """

    @abc.abstractmethod
    def predictions(self, model: keras.Model, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns what `metrics` needs of an evaluation batch: a dict of tensors (B, ...)."""

    def condensed(self, predictions: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns `predictions` of one batch in less memory, where those of the whole split would need too much."""
        return predictions

    @abc.abstractmethod
    def metrics(self, predictions: dict[str, np.ndarray]) -> dict[str, float | None]:
        """Returns the metrics of predictions (N, ...) of the test split; None where one is undefined."""

    @abc.abstractmethod
    def selection_metric(self, metrics: Mapping[str, float | None]) -> float:
        """Returns the metric that selects the best checkpoint; lower is better."""

    # Reports.

    def pictures(self, predictions: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns pictures for TensorBoard: a dict of (H, W, 3) uint8."""
        return {}

    @abc.abstractmethod
    def summary(self, metrics: Mapping[str, float | None]) -> str:
        """Returns metrics in words."""

    def report(
        self, predictions: dict[str, np.ndarray], metrics: Mapping[str, float | None], run: RunFolder
    ) -> dict[str, Any]:
        """Writes tables and figures of an evaluation into a run's folder, where the task has any.

        Returns:
            Further figures for results.json and evaluation.json: `worst_classes`, see `trainers.metrics.report`, where
            the task has figures of classes.
        """
        return {}

    def table(self, results: Mapping[str, Any]) -> list[str]:
        """Returns lines of text about the content of evaluation.json, to be shown above `summary`."""
        return []

    @abc.abstractmethod
    def draw_learning_curve(self, lines: list[dict], path: pathlib.Path) -> None:
        """Draws the learning curve of a run as a PNG file.

        Args:
            lines: the lines of metrics.jsonl.
            path: the file.
        """

    # Evaluation.

    @classmethod
    def with_options(cls, config: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a configuration with other values of options that change no weights, all in `evaluation_flags`.

        Raises:
            ArgumentError: for a value that cannot work.
        """
        return config

    @classmethod
    def parse_member(cls, text: str) -> tuple[str, dict[str, Any]]:
        """Returns the folder and the `Member.settings` of an entry of --ensemble, which has the form `member_form`.

        Raises:
            ArgumentError: for a setting that does not exist.
        """
        return text, {}

    @classmethod
    def ensemble_problem(cls, config: dict[str, Any], member: dict[str, Any], dataset_name: str) -> str | None:
        """Returns why a run cannot join another run of the task with the same classes, or None if it can.

        Args:
            config: of the run.
            member: the configuration of the run that is to join it.
            dataset_name: the data set of the evaluation.
        """
        return None

    def ensemble(self, models: Sequence[keras.Model]) -> keras.Model:
        """Returns nets of this task as one net, where the task has such ensembles."""
        raise NotImplementedError(f"{type(self).__name__} has no ensembles")

    def evaluate(self, members: Sequence[Member], **flags) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Evaluates this task's net, alone or in an ensemble, with each example of the test split.

        Args:
            members: the run of this task, and the other runs of the ensemble.
            **flags: values of `evaluation_flags`, only those that are given.

        Returns:
            The predictions, a dict of (N, ...), and the figures for evaluation.json: the metrics and the task's own.

        Raises:
            ArgumentError: for a flag that cannot work.
        """
        models = [member.model for member in members]
        model = self.ensemble(models) if len(models) > 1 else models[0]
        predictions = predictor(self, model, tf.distribute.get_strategy())()
        return predictions, self.metrics(predictions)

    # Export.

    def build_for_export(self) -> keras.Model:
        """Returns a new net for `export`."""
        return self.build_model()

    @abc.abstractmethod
    def export(self, model: keras.Model, base: pathlib.Path, version: int | None, **settings) -> pathlib.Path:
        """Writes a net of `build_for_export`, or an ensemble of such nets.

        Args:
            model: the net, with its weights.
            base: the folder of all versions.
            version: the version's number; None for the next free one.
            **settings: `batch_size`, `max_pixels` and `warmup`, see `keras_resnets.serving.export_classifier`, and
                values of `export_flags`.

        Returns:
            The version's folder.
        """
