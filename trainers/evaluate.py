"""Measures a trained net on the test images, every one once.

python -m trainers.evaluate --model_dir=/tmp/digits
"""

import tensorflow as tf
from absl import flags

from keras_resnets import ArgumentError
from trainers import cli, plots
from trainers.checkpoints import restore_model
from trainers.classification import Classification
from trainers.data.dataset import absolute, hold_out, open_dataset, title
from trainers.loop import predictor
from trainers.run import Run

LARGEST_MATRIX = 50  # classes, in the picture


def evaluate(run, dataset_name=None, data_dir=None, download=False, best=False):
    """Evaluates the last checkpoint of a run on one crop of each test image.

    Writes `evaluation.json`, and for 50 classes at most `confusion_matrix.png`, into the run's folder.

    Args:
        run: a `Run`.
        dataset_name: a value of --dataset with the run's classes; by default the run's own.
        data_dir: see `open_dataset`; by default the run's own.
        download: see `open_dataset`.
        best: whether to evaluate the best checkpoint instead.

    Returns:
        The content of evaluation.json: `model`, `dataset`, `step`, `images`, `top1_error`, `top5_error`.

    Raises:
        ArgumentError: if there is no checkpoint, or the classes differ.
    """
    config = run.config()
    dataset_name = absolute(dataset_name or config["dataset"])
    dataset = open_dataset(dataset_name, data_dir or config["data_dir"], download)
    if config["holdout"] is not None and dataset_name == config["dataset"]:
        dataset = hold_out(dataset, config["holdout"])
    if list(dataset.labels) != config["labels"]:
        raise ArgumentError(
            f"--dataset={dataset_name} has the classes {_some(dataset.labels)}, and {run.path} was trained on "
            f"{_some(config['labels'])}: choose a data set with the same classes."
        )
    task = Classification(config, dataset)
    model = task.build_model()
    step = restore_model(model, run, best)
    predictions = predictor(task, model, tf.distribute.get_strategy())()
    labels, predicted = predictions["label"], predictions["predicted"]
    results = {"model": config["model"], "dataset": dataset_name, "step": step, "images": len(labels)}
    results |= task.metrics(predictions)
    run.write_evaluation(results)
    if len(config["labels"]) <= LARGEST_MATRIX:
        counts = tf.math.confusion_matrix(labels, predicted, len(config["labels"])).numpy()
        heading = f"{config['model']} on {title(dataset_name)}: {results['top1_error']:.2%} wrong"
        plots.confusion_matrix(counts, config["labels"], heading, run.confusion_matrix)
    return results


def _some(labels):
    return f"{', '.join(labels[:5])}{' ...' if len(labels) > 5 else ''} ({len(labels)})"


def _define_flags():
    cli.define_model_dir()
    cli.define_data()
    cli.define_best()
    flags.DEFINE_string("dataset", None, "Another data set with the same classes.")


def _main(arguments):
    cli.no_arguments(arguments)
    options = flags.FLAGS
    run = Run(options.model_dir)
    results = evaluate(run, options.dataset, options.data_dir, options.download, options.best)
    print(
        f"{results['model']} on {results['dataset']}, step {results['step']}, {results['images']} images: "
        f"top-1 error {results['top1_error']:.2%}, top-5 error {results['top5_error']:.2%}"
    )


def run():
    """Entry point of the command."""
    cli.run(_main, _define_flags)


if __name__ == "__main__":
    run()
