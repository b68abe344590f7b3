"""Nets that are trained to classify images, side by side: what the experiments on classification have in common."""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from keras_resnets.surgery import without_batch_norm
from trainers.data.registry import open_dataset
from trainers.data.split import sample
from trainers.engine import train as engine_train
from trainers.engine.checkpoints import restore_model
from trainers.engine.run_folder import RunFolder
from trainers.experiments.experiment import Experiment, Report, Table, listed
from trainers.plots.figures import error_curves
from trainers.recipes.classification import RECIPES
from trainers.runtime.failures import Diverged
from trainers.runtime.measuring import parameters
from trainers.tasks.classification import Classification, configure
from trainers.tasks.configuration import Choices

DATASETS = ("digits", "idx:", "tfds:", "folder:", "one_digit_scenes")
DIGITS = ("digits", "one_digit_scenes")  # which must not be mirrored
CIFAR_SIDE = 32  # px, of the CIFAR nets' input, at most
QUICK_RECIPE = "digits"  # of --scale=quick, but for the augmentation: that of the papers needs many more steps
QUICK_TEST = 1_000  # test images of --scale=quick, at most
LOGGED = 200  # lines of a run with its training error, about
LAST_PART = 0.1  # of the training, whose mean training error is reported


@dataclasses.dataclass(frozen=True)
class Net:
    """A net of an experiment.

    Attributes:
        model: its name in the registry.
        quick: the one that stands for it with --scale=quick; None for itself.
        arguments: of its builder.
        paper: the paper's test error in %, or what else it says.
        recipe: of --scale=full, a row of `RECIPES`; its augmentation is for both scales.
        changes: of the recipe's fields, for both scales.
        batch_normalization: whether it has any.
    """

    model: str
    quick: str | None = None
    arguments: Mapping = dataclasses.field(default_factory=dict)
    paper: str = "-"
    recipe: str = "cifar"
    changes: Mapping = dataclasses.field(default_factory=dict)
    batch_normalization: bool = True

    def may_diverge(self):
        """Returns whether an experiment goes on if the net diverges: because it did in the paper, for example."""
        return not self.batch_normalization or "fail" in self.paper


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What is measured inside of each net, before and after its training.

    Attributes:
        measure: function of the task and a model that returns a dict that JSON can hold.
        tables: function of the members' figures that returns a list of `Table`s; the dicts are `initial` and `trained`.
        draw: function of the figures and a path that writes a picture.
    """

    measure: Callable
    tables: Callable
    draw: Callable


@dataclasses.dataclass(frozen=True)
class Row:
    """An experiment.

    Attributes:
        name: of its picture.
        title, source, found: see `trainers.experiments.experiment.Experiment`.
        nets: a dict of `Net`s by their labels, which are the members' names.
        images: that are trained on with --scale=quick, counting each as often as it comes.
        verdict: function of the members' figures that returns a sentence, and whether it is as the paper lets expect.
        train_images: of --scale=quick, at most.
        quick_changes: of the fields of `QUICK_RECIPE`.
        image_size: side of the net's input; None for that of the data set's images, `CIFAR_SIDE` at most.
        measurement: a `Measurement`, or None.
    """

    name: str
    title: str
    source: str
    found: str
    nets: Mapping[str, Net]
    images: int
    verdict: Callable
    train_images: int = 5_000
    quick_changes: Mapping = dataclasses.field(default_factory=dict)
    image_size: int | None = None
    measurement: Measurement | None = None


class WithoutBatchNormalization(Classification):
    """Classification by nets without batch normalization."""

    def build_model(self, classifier_activation=None):
        """Returns a new model, as that of `Classification`, without batch normalization."""
        return without_batch_norm.without_batch_normalization(super().build_model(classifier_activation))


def experiment(row):
    """Returns the `Experiment` of a row."""
    return Experiment(
        title=row.title,
        source=row.source,
        found=row.found,
        datasets=DATASETS,
        full_dataset="tfds:cifar10",
        members=lambda setting: {
            label: functools.partial(train_net, row, net, setting) for label, net in row.nets.items()
        },
        report=functools.partial(nets_report, row),
    )


def train_net(row, net, setting, folder):
    """Trains a net, or goes on with it, and measures it.

    Args:
        row: a `Row`.
        net: a `Net` of it.
        setting: a `Setting`.
        folder: of the member; the training run is in `run`.

    Returns:
        The member's figures: `model`, `arguments`, `parameters`, `recipe`, `changes`, `augmentation`, `steps`,
        `batch_size`, `train_images`, `test_images`; `diverged`, whether the loss was no longer finite; `training` and
        `test`, lists of (step, error), fractions; `training_error` (the mean of the last tenth of the steps) and
        `test_error`, None of what has diverged; and, where the row has a measurement, `initial` and `trained`.
    """
    keras.backend.clear_session()  # The members before would stay in memory.
    task = make_task(row, net, setting)
    run, model = RunFolder(folder / "run"), task.build_model()
    figures = {
        "model": task.config["model"],
        "arguments": dict(net.arguments),
        "parameters": parameters(model),
        "recipe": task.config["recipe_name"],
        "changes": _changes(row, net, setting),
        "augmentation": task.recipe.augmentation,
        "steps": task.config["steps"],
        "batch_size": task.recipe.batch_size,
        "train_images": task.dataset.train.size,
        "test_images": task.dataset.test.size,
        "diverged": False,
        "training_error": None,
        "test_error": None,
    }
    if row.measurement:
        figures["initial"] = row.measurement.measure(task, model)
    try:
        results = engine_train.train(task, run, log_every=max(10, task.config["steps"] // LOGGED))
    except Diverged:  # That is a result, too.
        return {**figures, **_curves(run), "diverged": True}
    if row.measurement:
        restore_model(model, run)
        figures["trained"] = row.measurement.measure(task, model)
    curves = _curves(run)
    end = [error for step, error in curves["training"] if step > (1 - LAST_PART) * task.config["steps"]]
    return {**figures, **curves, "training_error": float(np.mean(end)), "test_error": results["top1_error"]}


def make_task(row, net, setting):
    """Returns the task of a net, a `Classification`, with its configuration and data set: see `train_net`."""
    dataset = _open_dataset(setting.dataset, setting.data_dir, setting.download)
    recipe, changes = net.recipe, {"augmentation": RECIPES[net.recipe].augmentation}
    if setting.quick:
        train, test = sample(dataset.train, row.train_images), sample(dataset.test, QUICK_TEST)
        dataset = dataclasses.replace(dataset, train=train, test=test)
        recipe = QUICK_RECIPE
        changes["steps"] = max(1, row.images // RECIPES[recipe].batch_size)
    changes |= _changes(row, net, setting)
    if setting.dataset in DIGITS:
        changes["augmentation"] = RECIPES["digits"].augmentation
    config = configure(
        Choices(setting.dataset, dataset, recipe, changes, data_dir=setting.data_dir),
        net.quick or net.model if setting.quick else net.model,
        arguments=dict(net.arguments),
        image_size=row.image_size or min(CIFAR_SIDE, dataset.side or CIFAR_SIDE),
    )
    return (Classification if net.batch_normalization else WithoutBatchNormalization)(config, dataset)


def _changes(row, net, setting):
    """Returns the changes of the recipe's fields that are said of a net and its row."""
    return {**(row.quick_changes if setting.quick else {}), **net.changes}


# A folder's files are looked at once, not for each member.
_open_dataset = functools.lru_cache(1)(open_dataset)


def training_batch(task):
    """Returns the first batch of a task's training: images (B, H, W, 3), normalized, and labels (B,)."""
    batch = next(iter(task.training_batches(0, tf.distribute.InputContext())))
    return task.preprocessing.normalize(batch["image"]), batch["label"]


def test_images(task):
    """Returns the first batch of a task's test images (B, H, W, 3), normalized."""
    batch = next(iter(task.evaluation_batches()))
    return task.preprocessing.normalize(batch["image"][batch["weight"] > 0])


def _curves(run):
    keys = {"training": "training_error", "test": "top1_error"}
    lines = run.metrics()
    return {
        name: [(line["step"], line[key]) for line in lines if line.get(key) is not None] for name, key in keys.items()
    }


def nets_report(row, figures):
    """Returns the `Report` of a row's nets; the figures of other members are for its verdict only."""
    nets = {label: figures[label] for label in row.nets}
    lost = [label for label, one in nets.items() if one["diverged"] and not row.nets[label].may_diverge()]
    sentence, holds = (f"Nothing can be compared: {', '.join(lost)} diverged", False) if lost else row.verdict(figures)
    tables = [_errors_table(row, nets), _training_table(nets)]
    if row.measurement:
        tables += row.measurement.tables(nets)
    verdict = f"{sentence}: {'as' if holds else 'not as'} expected from the paper."
    return Report(tables, [verdict], lambda folder: _draw(row, nets, folder))


def _draw(row, figures, folder):
    path = folder / f"{row.name}.png"
    curves = {_trained(label, one): (one["training"], one["test"]) for label, one in figures.items()}
    error_curves(curves, row.title, path)
    if not row.measurement:
        return [path]
    measured = folder / f"{row.name}_measured.png"
    row.measurement.draw(figures, measured)
    return [path, measured]


def _trained(label, figures):
    return f"{label} ({figures['model']})"


def _net(figures, net):
    """Returns what was trained, as a text."""
    arguments = f" ({listed(figures['arguments'])})" if figures["arguments"] else ""
    return f"{figures['model']}{arguments}{'' if net.batch_normalization else ', without batch normalization'}"


def _errors_table(row, figures):
    rows = [
        [
            label,
            _net(one, row.nets[label]),
            f"{one['parameters']:,}",
            percent(one["training_error"]),
            percent(one["test_error"]),
            row.nets[label].paper,
        ]
        for label, one in figures.items()
    ]
    columns = ("net", "trained here", "parameters", "training error, %", "test error, %", "the paper's test error, %")
    return Table("Errors, of one run each", columns, rows)


def _training_table(figures):
    keys = ("recipe", "changes", "augmentation", "steps", "batch_size", "train_images", "test_images")
    same = {}
    for label, one in figures.items():
        changes = {name: value for name, value in one["changes"].items() if name not in keys}
        texts = {**one, "changes": listed(changes) or "none"}
        same.setdefault(tuple(str(texts[key]) for key in keys), []).append(label)
    rows = [[", ".join(labels), *values] for values, labels in same.items()]
    return Table("Training", ("nets", *(key.replace("_", " ") for key in keys)), rows)


def percent(error):
    """Returns an error, a fraction, as a text in percent; None is "diverged"."""
    return "diverged" if error is None else f"{100 * error:.2f}"
