"""Measures a trained net on the test images, every one once.

python -m trainers.evaluate --model_dir=/tmp/digits
"""

import tensorflow as tf
from absl import flags

from keras_resnets import ArgumentError
from trainers import cli
from trainers.checkpoints import restore_model
from trainers.data.dataset import absolute
from trainers.localization import Localization
from trainers.loop import predictor
from trainers.run import Run
from trainers.tasks import TASKS


def evaluate(run, dataset_name=None, data_dir=None, download=False, best=False, classifier_dir=None):
    """Evaluates the last checkpoint of a run on each test image, as training did.

    Writes `evaluation.json`, and what belongs to it, into the run's folder: of classes, 50 at most,
    `confusion_matrix.png`; of detections, `per_class.csv` and `precision_recall.png`.

    Args:
        run: a `Run`.
        dataset_name: a value of --dataset with the run's classes; by default the run's own.
        data_dir: see `open_dataset`; by default the run's own.
        download: see `open_dataset`.
        best: whether to evaluate the best checkpoint instead.
        classifier_dir: of a localization: the run of `trainers.classification` whose likeliest classes are guessed, in
            addition to the evaluation with the true ones.

    Returns:
        The task and the content of evaluation.json: `model`, `dataset`, `step`, `images`, and the task's metrics.

    Raises:
        ArgumentError: if there is no checkpoint, the classes differ, or a classifier has no use.
    """
    config = run.config()
    dataset_name = absolute(dataset_name or config["dataset"])
    kind = TASKS[config["task"]]
    if classifier_dir is not None and kind is not Localization:
        raise ArgumentError(f"--classifier_dir={classifier_dir} is for runs of trainers.localization: leave it out.")
    dataset = kind.open_dataset(config, dataset_name, data_dir or config["data_dir"], download)
    if list(dataset.labels) != config["labels"]:
        raise ArgumentError(
            f"--dataset={dataset_name} has the classes {_some(dataset.labels)}, and {run.path} was trained on "
            f"{_some(config['labels'])}: choose a data set with the same classes."
        )
    task = kind({**config, "dataset": dataset_name}, dataset)
    if classifier_dir is not None:
        task.use_classifier(Run(classifier_dir))
    model = task.build_model()
    step = restore_model(model, run, best)
    predictions = predictor(task, model, tf.distribute.get_strategy())()
    metrics = task.metrics(predictions)
    results = {"model": task.name, "dataset": dataset_name, "step": step, "images": dataset.test.size, **metrics}
    run.write_evaluation(results)
    task.report(predictions, metrics, run)
    return task, results


def _some(labels):
    return f"{', '.join(labels[:5])}{' ...' if len(labels) > 5 else ''} ({len(labels)})"


def _define_flags():
    cli.define_model_dir()
    cli.define_data()
    cli.define_best()
    flags.DEFINE_string("dataset", None, "Another data set with the same classes.")
    flags.DEFINE_string("classifier_dir", None, "Of a localization: run of the net that predicts the classes, too.")


def _main(arguments):
    cli.no_arguments(arguments)
    options = flags.FLAGS
    run = Run(options.model_dir)
    task, results = evaluate(
        run, options.dataset, options.data_dir, options.download, options.best, options.classifier_dir
    )
    print(f"{task.title}, step {results['step']}, {results['images']} images: {task.summary(results)}")


def run():
    """Entry point of the command."""
    cli.run(_main, _define_flags)


if __name__ == "__main__":
    run()
