"""Writes the last checkpoint of a run as a SavedModel for TensorFlow Serving.

python -m trainers.export --model_dir=/tmp/digits
"""

import re

from absl import flags

from trainers import cli
from trainers.checkpoints import restore_model
from trainers.data.dataset import title
from trainers.run import Run
from trainers.tasks import task_of


def export(run, base=None, version=None, best=False):
    """Exports a run's net, with its preprocessing and labels.

    Args:
        run: a `Run`.
        base: folder of all versions; by default `saved_models/MODEL_DATASET`.
        version: positive integer, by default the next free one.
        best: whether to export the best checkpoint instead of the last one.

    Returns:
        The path of the version's folder.
    """
    task = task_of(run)
    # A new model in float32 and outside of any strategy's scope, whatever the training used.
    model = task.build_for_export()
    restore_model(model, run, best)
    return task.export(model, base or f"saved_models/{task.name}_{slug(task.config['dataset'])}", version)


def slug(dataset):
    """Returns what a data set is called in a file's name."""
    return re.sub(r"\W+", "_", title(dataset))


def _define_flags():
    cli.define_model_dir()
    cli.define_best()
    flags.DEFINE_string("output", None, "Folder of all versions; default: saved_models/MODEL_DATASET.")
    flags.DEFINE_integer("version", None, "Version to write; default: the next free one.", lower_bound=1)


def _main(arguments):
    cli.no_arguments(arguments)
    options = flags.FLAGS
    print(export(Run(options.model_dir), options.output, options.version, options.best))


def run():
    """Entry point of the command."""
    cli.run(_main, _define_flags)


if __name__ == "__main__":
    run()
