"""Classification nets that are trained and compared: what the experiments on classification share."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from keras_resnets.surgery.without_batch_norm import without_batch_normalization
from trainers.data.registry import open_dataset
from trainers.data.split import sample
from trainers.engine.checkpoints import restore_model
from trainers.engine.run_folder import RunFolder
from trainers.engine.train import train
from trainers.experiments.experiment import Experiment, Report, Setting, Table, listed
from trainers.plots.figures import error_curves
from trainers.recipes.classification import RECIPES
from trainers.runtime.failures import Diverged
from trainers.runtime.measuring import parameters
from trainers.tasks.classification import Classification, configure
from trainers.tasks.configuration import Choices

DATASETS = ("digits", "idx:", "tfds:", "folder:", "one_digit_scenes")
DIGITS = ("digits", "one_digit_scenes")  # data sets whose images must not be mirrored
CIFAR_SIDE = 32  # largest input side of the CIFAR nets, in pixels
QUICK_RECIPE = "digits"  # of --scale=quick, except for its augmentation; the papers' recipes need many more steps
QUICK_TEST = 1_000  # largest number of test images with --scale=quick
LOG_LINES = 200  # approximate number of log lines with a training error
LAST_PART = 0.1  # share of the steps at the end whose mean training error is reported


@dataclasses.dataclass(frozen=True)
class Net:
    """A net of a comparison.

    Attributes:
        model: name in the registry.
        quick: name of the net that replaces it with --scale=quick; None for the net itself.
        arguments: arguments of the net's builder.
        paper: the paper's test error in %, or a remark in its place.
        recipe: recipe of --scale=full, a key of `RECIPES`; both scales use its augmentation.
        changes: changed fields of the recipe, for both scales.
        batch_normalization: False to remove all batch normalization.
    """

    model: str
    quick: str | None = None
    arguments: Mapping = dataclasses.field(default_factory=dict)
    paper: str = "-"
    recipe: str = "cifar"
    changes: Mapping = dataclasses.field(default_factory=dict)
    batch_normalization: bool = True

    def may_diverge(self) -> bool:
        """Whether a comparison is valid although this net diverges, because it does so in the paper, for example."""
        return not self.batch_normalization or "fail" in self.paper


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What is measured inside each net, before and after its training.

    Attributes:
        measure: function of a task and a model that returns a dict for JSON.
        tables: function of the nets' figures that returns a list of `Table`s. The figures hold what `measure` returned
            as `initial` and, unless the net diverged, `trained`.
        draw: function of the figures and a path that writes a PNG file.
    """

    measure: Callable[[Classification, keras.Model], dict]
    tables: Callable[[dict], list[Table]]
    draw: Callable[[dict, pathlib.Path], None]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Nets that are trained alike, and what their errors are expected to show.

    Attributes:
        title, source, found: see `trainers.experiments.experiment.Experiment`.
        nets: the `Net`s by their labels, which are the members' names.
        images: number of images that each net is trained on with --scale=quick, repetitions included.
        verdict: function of the members' figures that returns a sentence, and whether it agrees with the paper.
        train_images: largest number of different training images with --scale=quick.
        quick_changes: changed fields of `QUICK_RECIPE`.
        image_size: side of the nets' input in pixels; None for the side of the data set's images, at most `CIFAR_SIDE`.
        measurement: a `Measurement`, or None.
    """

    title: str
    source: str
    found: str
    nets: Mapping[str, Net]
    images: int
    verdict: Callable[[dict], tuple[str, bool]]
    train_images: int = 5_000
    quick_changes: Mapping = dataclasses.field(default_factory=dict)
    image_size: int | None = None
    measurement: Measurement | None = None


class WithoutBatchNormalization(Classification):
    """Classification with nets that have lost their batch normalization."""

    def build_model(self, classifier_activation=None):
        """Returns a new model: that of `Classification`, without batch normalization."""
        return without_batch_normalization(super().build_model(classifier_activation))


def experiment(comparison: Comparison) -> Experiment:
    """Returns the `Experiment` whose members are the nets of a comparison."""
    return Experiment(
        title=comparison.title,
        source=comparison.source,
        found=comparison.found,
        datasets=DATASETS,
        full_dataset="tfds:cifar10",
        members=lambda setting: {
            label: functools.partial(train_net, comparison, net, setting) for label, net in comparison.nets.items()
        },
        report=functools.partial(comparison_report, comparison),
    )


def train_net(comparison: Comparison, net: Net, setting: Setting, folder: pathlib.Path) -> dict:
    """Trains a net, or continues its training, and measures it.

    Args:
        comparison: the `Comparison` that the net belongs to.
        net: the `Net`.
        setting: the experiment's `Setting`.
        folder: the member's folder; the training run is its subfolder `run`.

    Returns:
        The member's figures: `model`, `arguments`, `parameters`, `recipe`, `changes`, `augmentation`, `steps`,
        `batch_size`, `train_images`, `test_images`; `diverged`, whether the loss became infinite or NaN; `training` and
        `test`, lists of (step, error), errors from 0 to 1; `training_error` (mean of the last tenth of the steps) and
        `test_error`, both None if the net diverged; `initial` and `trained`, if the comparison has a measurement.
    """
    keras.backend.clear_session()  # Otherwise the members before stay in memory.
    task = make_task(comparison, net, setting)
    run, model = RunFolder(folder / "run"), task.build_model()
    figures = {
        "model": task.config["model"],
        "arguments": dict(net.arguments),
        "parameters": parameters(model),
        "recipe": task.config["recipe_name"],
        "changes": _changes(comparison, net, setting),
        "augmentation": task.recipe.augmentation,
        "steps": task.config["steps"],
        "batch_size": task.recipe.batch_size,
        "train_images": task.dataset.train.size,
        "test_images": task.dataset.test.size,
        "diverged": False,
        "training_error": None,
        "test_error": None,
    }
    if comparison.measurement:
        figures["initial"] = comparison.measurement.measure(task, model)
    try:
        results = train(task, run, log_every=max(10, task.config["steps"] // LOG_LINES))
    except Diverged:  # This is a result as well.
        return {**figures, **_curves(run), "diverged": True}
    if comparison.measurement:
        restore_model(model, run)
        figures["trained"] = comparison.measurement.measure(task, model)
    curves = _curves(run)
    end = [error for step, error in curves["training"] if step > (1 - LAST_PART) * task.config["steps"]]
    return {**figures, **curves, "training_error": float(np.mean(end)), "test_error": results["top1_error"]}


def make_task(comparison: Comparison, net: Net, setting: Setting) -> Classification:
    """Returns the task of training a net: see `train_net`."""
    dataset = _open_dataset(setting.dataset, setting.data_dir, setting.download)
    recipe, changes = net.recipe, {"augmentation": RECIPES[net.recipe].augmentation}
    if setting.quick:
        train, test = sample(dataset.train, comparison.train_images), sample(dataset.test, QUICK_TEST)
        dataset = dataclasses.replace(dataset, train=train, test=test)
        recipe = QUICK_RECIPE
        changes["steps"] = max(1, comparison.images // RECIPES[recipe].batch_size)
    changes |= _changes(comparison, net, setting)
    if setting.dataset in DIGITS:
        changes["augmentation"] = RECIPES["digits"].augmentation
    config = configure(
        Choices(setting.dataset, dataset, recipe, changes, data_dir=setting.data_dir),
        net.quick or net.model if setting.quick else net.model,
        arguments=dict(net.arguments),
        image_size=comparison.image_size or min(CIFAR_SIDE, dataset.side or CIFAR_SIDE),
    )
    return (Classification if net.batch_normalization else WithoutBatchNormalization)(config, dataset)


def _changes(comparison, net, setting):
    """Returns the recipe's fields that a comparison and its net change."""
    return {**(comparison.quick_changes if setting.quick else {}), **net.changes}


# Checks the files of a folder once, not for each member.
_open_dataset = functools.lru_cache(1)(open_dataset)


def training_batch(task: Classification) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the first training batch: normalized images (B, H, W, 3) float32 and labels (B,) int32."""
    batch = next(iter(task.training_batches(0, tf.distribute.InputContext())))
    return task.preprocessing.normalize(batch["image"]), batch["label"]


def test_images(task: Classification) -> tf.Tensor:
    """Returns the first batch of test images, normalized, (B, H, W, 3) float32."""
    batch = next(iter(task.evaluation_batches()))
    return task.preprocessing.normalize(batch["image"][batch["weight"] > 0])


def _curves(run):
    """Returns lists of (step, error): `training` and `test`."""
    keys = {"training": "training_error", "test": "top1_error"}
    lines = run.metrics()
    return {
        name: [(line["step"], line[key]) for line in lines if line.get(key) is not None] for name, key in keys.items()
    }


def comparison_report(comparison: Comparison, figures: dict) -> Report:
    """Returns the `Report` of a comparison.

    Args:
        comparison: a `Comparison`.
        figures: what `train_net` returned, by the nets' labels; figures of other members are passed to the verdict.
    """
    nets = {label: figures[label] for label in comparison.nets}
    lost = [label for label, one in nets.items() if one["diverged"] and not comparison.nets[label].may_diverge()]
    if lost:
        sentence, holds = f"Nothing can be compared: {', '.join(lost)} diverged", False
    else:
        sentence, holds = comparison.verdict(figures)
    tables = [_errors_table(comparison, nets), _training_table(nets)]
    if comparison.measurement:
        tables += comparison.measurement.tables(nets)
    verdict = f"{sentence}: {'as' if holds else 'not as'} expected from the paper."
    return Report(tables, [verdict], lambda folder: _draw(comparison, nets, folder))


def _draw(comparison, figures, folder):
    path = folder / f"{folder.name}.png"
    curves = {f"{label} ({one['model']})": (one["training"], one["test"]) for label, one in figures.items()}
    error_curves(curves, comparison.title, path)
    if not comparison.measurement:
        return [path]
    measured = path.with_stem(f"{path.stem}_measured")
    comparison.measurement.draw(figures, measured)
    return [path, measured]


def _errors_table(comparison, figures):
    rows = [
        [
            label,
            _trained_net(one, comparison.nets[label]),
            f"{one['parameters']:,}",
            in_percent(one["training_error"]),
            in_percent(one["test_error"]),
            comparison.nets[label].paper,
        ]
        for label, one in figures.items()
    ]
    columns = ("net", "trained here", "parameters", "training error, %", "test error, %", "paper's test error, %")
    return Table("Errors, one run each", columns, rows)


def _trained_net(figures, net):
    """Returns what was trained, as a text."""
    arguments = f" ({listed(figures['arguments'])})" if figures["arguments"] else ""
    return f"{figures['model']}{arguments}{'' if net.batch_normalization else ', without batch normalization'}"


def _training_table(figures):
    keys = ("recipe", "changes", "augmentation", "steps", "batch_size", "train_images", "test_images")
    same = {}
    for label, one in figures.items():
        changes = {name: value for name, value in one["changes"].items() if name not in keys}
        texts = {**one, "changes": listed(changes) or "none"}
        same.setdefault(tuple(str(texts[key]) for key in keys), []).append(label)
    rows = [[", ".join(labels), *values] for values, labels in same.items()]
    return Table("Training", ("nets", *(key.replace("_", " ") for key in keys)), rows)


def shallow_and_deep(figures: dict) -> tuple[dict, dict, str]:
    """Returns the figures of the shallower and the deeper of two nets, and a sentence that compares their errors."""
    shallow, deep = figures.values()
    sentence = (
        f"The deeper net has a training error of {in_percent(deep['training_error'])} % (the shallower one "
        f"{in_percent(shallow['training_error'])} %) and a test error of {in_percent(deep['test_error'])} % "
        f"({in_percent(shallow['test_error'])} %)"
    )
    return shallow, deep, sentence


def listed_errors(figures: dict) -> str:
    """Returns the nets' labels and test errors in percent, as a text."""
    return ", ".join(f"{label} {in_percent(one['test_error'])}" for label, one in figures.items())


def in_percent(error: float | None) -> str:
    """Returns an error, from 0 to 1, as a text in percent; "diverged" for None."""
    return "diverged" if error is None else f"{100 * error:.2f}"
