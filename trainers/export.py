"""Writes the last checkpoint of a run as a SavedModel for TensorFlow Serving.

python -m trainers.export --model_dir=/tmp/digits
python -m trainers.export --model_dir=/tmp/scenes --ensemble=/tmp/others,/tmp/more
"""

import contextlib
import importlib.util
import pathlib
import re

import keras
from absl import flags

from keras_resnets import ArgumentError
from keras_resnets.serving.image_bytes import MAX_PIXELS
from keras_resnets.serving.portable import FILES
from keras_resnets.serving.server_config import write_server_config
from trainers import cli
from trainers.checkpoints import restore_model
from trainers.data.dataset import title
from trainers.evaluate import joined_runs
from trainers.failures import naming
from trainers.run import Run
from trainers.tasks import task_of

SAVED_MODEL = "saved_model"
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}  # The probabilities are float32 in any case.


def export(run, base=None, version=None, best=False, precision="float32", ensemble=(), **settings):
    """Exports a run's net, with its preprocessing and labels, or a detector with others that are trained as one.

    Args:
        run: a `Run`.
        base: folder of all versions; by default `saved_models/MODEL_DATASET`, of an ensemble
            `saved_models/ensemble_DATASET`.
        version: positive integer, by default the next free one.
        best: whether to export the best checkpoint instead of the last one.
        precision: "float32", or "bfloat16" for weights and computations in it.
        ensemble: of a Faster R-CNN: paths of other runs, which find and classify regions together with it, as in
            `trainers.evaluate`.
        **settings: arguments of the task's `export`.

    Returns:
        The path of the version's folder.
    """
    config = run.config()
    if ensemble and config["task"] != "detection":
        raise ArgumentError(f"--ensemble={','.join(ensemble)} is for runs of trainers.detection: leave it out.")
    others = [other for other, _ in joined_runs(run, ensemble, config["dataset"])]
    (task, model), *rest = [_restored(one, best, precision) for one in [run, *others]]
    name = "ensemble" if rest else task.name
    base = pathlib.Path(base or f"saved_models/{name}_{slug(config['dataset'])}")
    model = task.ensemble([model, *(other for _, other in rest)]) if rest else model
    return task.export(model, base, version, **settings)


def _restored(run, best, precision):
    """Returns a run's task, and its model with the weights of a checkpoint."""
    task = task_of(run)
    # A new model, outside of any strategy's scope, in the export's precision whatever the training used.
    with _policy(POLICIES[precision]):
        model = task.build_for_export()
    restore_model(model, run, best)
    return task, model


@contextlib.contextmanager
def _policy(name):
    """Builds what is built in a `with` statement in a precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def slug(dataset):
    """Returns what a data set is called in a file's name."""
    return re.sub(r"\W+", "_", title(dataset))


def _define_flags():
    cli.define_model_dir()
    cli.define_best()
    flags.DEFINE_string("output", None, "Folder of all versions; default: saved_models/MODEL_DATASET.")
    flags.DEFINE_list("ensemble", [], "Of a Faster R-CNN: other runs, which detect together with it.")
    flags.DEFINE_integer("version", None, "Version to write; default: the next free one.", lower_bound=1)
    flags.DEFINE_enum("format", SAVED_MODEL, [SAVED_MODEL, *FILES], "SavedModel, or a net for other runtimes.")
    flags.DEFINE_enum("precision", "float32", list(POLICIES), "Of weights and computations.")
    flags.DEFINE_integer("batch_size", None, "Images of a request, always; default: any number.", lower_bound=1)
    flags.DEFINE_integer("max_pixels", MAX_PIXELS, "Encoded images that have more are not decoded.", lower_bound=1)
    flags.DEFINE_list("stages", [], "Of a classification net: what its features signature returns too, e.g. conv4_out.")
    flags.DEFINE_list(
        "svd_ranks", [], "Of a detector: ranks of fully connected layers of its regions, e.g. fc6=1024,fc7=256."
    )
    has_protocol = importlib.util.find_spec("tensorflow_serving") is not None
    flags.DEFINE_boolean(
        "warmup", has_protocol, "Whether to write requests that TensorFlow Serving makes before it serves the version."
    )
    flags.DEFINE_boolean(
        "write_server_config", False, "Whether to write models.config and batching.config beside the export's folder."
    )
    flags.DEFINE_string("server_path", "/models", "Where the server finds the folder of these files.")


def _ranks(entries):
    """Returns the dict of a list of NAME=RANK."""
    try:
        return {name: int(rank) for name, rank in (entry.split("=") for entry in entries)}
    except ValueError as error:
        raise ArgumentError(f"--svd_ranks={','.join(entries)} must be like fc6=1024,fc7=256.") from error


def _main(arguments):
    cli.no_arguments(arguments)
    options = flags.FLAGS
    for name in ("batch_size", "ensemble", "max_pixels", "stages", "svd_ranks", "warmup", "write_server_config"):
        if options.format != SAVED_MODEL and options[name].present:
            raise ArgumentError(f"--{name} is for --format={SAVED_MODEL}, not --format={options.format}: leave it out.")
    settings = {name: options[name].value for name in ("format", "batch_size", "max_pixels", "warmup")}
    if options.stages:
        settings["stages"] = options.stages
    if options.svd_ranks:
        settings["svd_ranks"] = _ranks(options.svd_ranks)
    with naming("--svd_ranks", about="ranks"):
        path = export(
            Run(options.model_dir),
            options.output,
            options.version,
            options.best,
            options.precision,
            options.ensemble,
            **settings,
        )
    if options.write_server_config:
        write_server_config(path.parents[1], options.server_path)
    print(path)


def run():
    """Entry point of the command."""
    cli.run(_main, _define_flags)


if __name__ == "__main__":
    run()
