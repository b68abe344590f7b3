"""Writes the last checkpoint of a run as a SavedModel for TensorFlow Serving.

python -m trainers.export --model_dir=/tmp/digits
python -m trainers.export --model_dir=/tmp/scenes --ensemble=/tmp/others,/tmp/more
"""

import importlib.util

from absl import flags

from keras_resnets import ArgumentError
from keras_resnets.serving.image_bytes import MAX_PIXELS
from keras_resnets.serving.portable import FILES
from keras_resnets.serving.server_config import write_server_config
from trainers.engine.run_folder import RunFolder
from trainers.flags import command
from trainers.runtime.failures import naming
from trainers.serving.export import POLICIES, SAVED_MODEL, export


def _define_flags():
    command.define_model_dir()
    command.define_best()
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
    command.no_arguments(arguments)
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
            RunFolder(options.model_dir),
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
    command.run(_main, _define_flags)


if __name__ == "__main__":
    run()
