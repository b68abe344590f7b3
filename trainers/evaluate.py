"""Measures a trained net on the test images, every one once.

python -m trainers.evaluate --model_dir=/tmp/digits
python -m trainers.evaluate --model_dir=/tmp/scenes --box_refinement --voting_iou=0.5
"""

import tensorflow as tf
from absl import flags

from keras_resnets import ArgumentError
from trainers import box_training, cli
from trainers.checkpoints import restore_model
from trainers.data.dataset import absolute
from trainers.detection import KIND
from trainers.detection_task import Detection
from trainers.localization import Localization
from trainers.loop import predictor
from trainers.run import Run
from trainers.tasks import TASKS

# Options of a detector that change nothing that was trained.
TEST_OPTIONS = (
    "box_refinement",
    "canonical_size",
    "detection_iou",
    "max_detections",
    "scales",
    "scales_per_region",
    "score_threshold",
    "svm",
    "test_after_nms",
    "test_before_nms",
    "voting_iou",
)


def evaluate(
    run,
    dataset_name=None,
    data_dir=None,
    download=False,
    best=False,
    *,
    options=None,
    ensemble=(),
    classifier_dir=None,
):
    """Evaluates the last checkpoint of a run on each test image, as training did.

    Writes `evaluation.json`, and what belongs to it, into the run's folder: of classes, 50 at most,
    `confusion_matrix.png`; of detections, `per_class.csv` and `precision_recall.png`.

    Args:
        run: a `Run`.
        dataset_name: a value of --dataset with the run's classes; by default the run's own.
        data_dir: see `open_dataset`; by default the run's own.
        download: see `open_dataset`.
        best: whether to evaluate the best checkpoint instead.
        options: of a detector, a dict of `TEST_OPTIONS` that are others than in its training.
        ensemble: other `Run`s of detectors with the same classes, which find and classify regions together with it.
        classifier_dir: of a localization: the run of `trainers.classification` whose likeliest classes are guessed, in
            addition to the evaluation with the true ones.

    Returns:
        The task and the content of evaluation.json: `model`, `dataset`, `step`, `images`, what of `options` and
        `ensemble` is given, and the task's metrics.

    Raises:
        ArgumentError: if there is no checkpoint, the classes differ, or something has no use.
    """
    config = run.config()
    dataset_name = absolute(dataset_name or config["dataset"])
    kind = TASKS[config["task"]]
    _check_uses(kind, options, ensemble, classifier_dir)
    dataset = kind.open_dataset(config, dataset_name, data_dir or config["data_dir"], download)
    _check_labels(f"--dataset={dataset_name}", dataset.labels, run, config)
    task, model, step = _restored(kind, run, {**config, "dataset": dataset_name}, dataset, options, best)
    if classifier_dir is not None:
        task.use_classifier(Run(classifier_dir))
    others = []
    for other in ensemble:
        other_config = other.config()
        _check_labels(f"--ensemble={other.path}", other_config["labels"], run, config)
        others.append(_restored(kind, other, other_config, dataset, options, best)[1])
    model = task.ensemble([model, *others]) if others else model
    predictions = predictor(task, model, tf.distribute.get_strategy())()
    metrics = task.metrics(predictions)
    given = {"options": options, "ensemble": [str(other.path) for other in ensemble]}
    given = {name: value for name, value in given.items() if value}
    results = {"model": task.name, "dataset": dataset_name, "step": step, "images": dataset.test.size, **given}
    results |= metrics
    run.write_evaluation(results)
    task.report(predictions, metrics, run)
    return task, results


def _restored(kind, run, config, dataset, options, best):
    """Returns a run's task, its model with other options, and the step of its checkpoint."""
    if options:
        config = {**config, "options": {**config["options"], **options}}
    task = kind(config, dataset)
    model = task.build_model()
    return task, model, restore_model(model, run, best)


def _check_uses(kind, options, ensemble, classifier_dir):
    """Raises ArgumentError for what a task has no use for."""
    given = {name: value for name, value in (options or {}).items()}
    if ensemble:
        given["ensemble"] = ",".join(str(run.path) for run in ensemble)
    for name, value in given.items():
        if kind is not Detection:
            raise ArgumentError(f"--{name}={value} is for runs of trainers.detection: leave it out.")
    if classifier_dir is not None and not issubclass(kind, Localization):
        raise ArgumentError(f"--classifier_dir={classifier_dir} is for runs of trainers.localization: leave it out.")


def _check_labels(source, labels, run, config):
    if list(labels) != config["labels"]:
        raise ArgumentError(
            f"{source} has the classes {_some(labels)}, and {run.path} was trained on {_some(config['labels'])}: "
            "choose one with the same classes."
        )


def _some(labels):
    return f"{', '.join(labels[:5])}{' ...' if len(labels) > 5 else ''} ({len(labels)})"


def _define_flags():
    cli.define_model_dir()
    cli.define_data()
    cli.define_best()
    flags.DEFINE_string("dataset", None, "Another data set with the same classes.")
    flags.DEFINE_string("classifier_dir", None, "Of a localization: run of the net that predicts the classes, too.")
    flags.DEFINE_list("ensemble", [], "Of detectors: other runs, which find and classify regions together with it.")
    box_training.define_options(KIND, TEST_OPTIONS)


def _main(arguments):
    cli.no_arguments(arguments)
    options = flags.FLAGS
    run = Run(options.model_dir)
    task, results = evaluate(
        run,
        options.dataset,
        options.data_dir,
        options.download,
        options.best,
        options=box_training.given_options(KIND, TEST_OPTIONS),
        ensemble=[Run(path) for path in options.ensemble],
        classifier_dir=options.classifier_dir,
    )
    print(f"{task.title}, step {results['step']}, {results['images']} images: {task.summary(results)}")


def run():
    """Entry point of the command."""
    cli.run(_main, _define_flags)


if __name__ == "__main__":
    run()
