"""Exports a trained net for TensorFlow Serving or another runtime.

python -m trainers.export --model_dir=/tmp/digits
python -m trainers.export --model_dir=/tmp/scenes --ensemble=/tmp/others,/tmp/more
python -m trainers.export --model_dir=/tmp/scenes --max_detections=300 --score_threshold=0.2
python -m trainers.export --detector=faster_rcnn_resnet50_fpn_v2 --weights=coco --output=/tmp/exports/coco
"""

import importlib.util

from absl import flags

from keras_resnets.detection.options import FPNOptions
from keras_resnets.errors import ArgumentError, check_folder
from keras_resnets.serving.formats import FILES, MAX_PIXELS
from trainers.engine.run_folder import RunFolder
from trainers.flags import command, detection
from trainers.runtime.choices import EXPORT_PRECISIONS, SAVED_MODEL, WEIGHTS
from trainers.runtime.failures import as_flags
from trainers.tasks.specs import DETECTION, TEST_OPTIONS, recipe_options

FOR_RUNS = ("best", "ensemble", "format", "stages")  # flags


def _define_flags():
    command.define_model_dir(required=False)
    command.define_published_detector("--model_dir")
    command.define_best()
    flags.DEFINE_string("output", None, "Folder of all versions; default: saved_models/MODEL_DATASET, or weights/...")
    flags.DEFINE_list("ensemble", [], "For Faster R-CNN: folders of other runs that detect together with it.")
    flags.DEFINE_integer("version", None, "Version to write; default: the next free one.", lower_bound=1)
    flags.DEFINE_enum(
        "format",
        SAVED_MODEL,
        [SAVED_MODEL, *FILES, WEIGHTS],
        "SavedModel, a net for another runtime, or the weights of a classification net for Keras.",
    )
    flags.DEFINE_enum("precision", "float32", list(EXPORT_PRECISIONS), "Dtype of weights and computations.")
    flags.DEFINE_integer("batch_size", None, "Images in every request; default: any number.", lower_bound=1)
    flags.DEFINE_integer("max_pixels", MAX_PIXELS, "Encoded images with more pixels are not decoded.", lower_bound=1)
    flags.DEFINE_list(
        "stages", [], "For a classification net: layers that the signature features returns as well, e.g. conv4_out."
    )
    flags.DEFINE_list(
        "svd_ranks",
        [],
        "For a detector: ranks to which the fully connected layers of a region are reduced, e.g. fc6=1024,fc7=256.",
    )
    flags.DEFINE_boolean(
        "warmup",
        importlib.util.find_spec("tensorflow_serving") is not None,
        "Whether to write requests that TensorFlow Serving makes before it serves the version.",
    )
    flags.DEFINE_boolean(
        "write_server_config", False, "Whether to write models.config and batching.config beside the export's folder."
    )
    flags.DEFINE_string(
        "server_path", "/models", "Path on the server of the folder with models.config and batching.config."
    )
    detection.define_options(DETECTION, TEST_OPTIONS, default="that of the training")


def _check():
    options = flags.FLAGS
    command.check_published_detector()
    if (options.model_dir is None) == (options.detector is None):
        raise ArgumentError("--model_dir is required: pass --model_dir=..., or --detector=NAME instead.")
    for name in FOR_RUNS if options.detector is not None else ():
        if options[name].present:
            raise ArgumentError(f"--{name} is for --model_dir, not --detector={options.detector}: leave it out.")
    for name in ("batch_size", "ensemble", "max_pixels", "stages", "svd_ranks", "warmup", "write_server_config"):
        if options.format != SAVED_MODEL and options[name].present:
            raise ArgumentError(f"--{name} is for --format={SAVED_MODEL}, not --format={options.format}: leave it out.")
    if options.output is not None:
        check_folder("--output", options.output)
    _svd_ranks()
    _check_test_options()


def _check_test_options():
    options = flags.FLAGS
    if options.detector is None:
        detection.check_test_options(RunFolder(options.model_dir).config())
        return
    given = detection.options_from_flags(DETECTION, TEST_OPTIONS)
    with as_flags():
        # All published detectors have a pyramid.
        recipe_options(DETECTION, FPNOptions, "", given, None, options.detector)


def _svd_ranks():
    return command.named_numbers("svd_ranks", int, "fc6=1024,fc7=256")


def _main():
    from keras_resnets.serving.server_config import write_server_config
    from trainers.runtime.failures import naming
    from trainers.serving.export import export
    from trainers.serving.published_detectors import export_published

    options = flags.FLAGS
    settings = {}
    if options.format == SAVED_MODEL:
        settings |= {name: options[name].value for name in ("batch_size", "max_pixels", "warmup")}
    if options.stages:
        settings["stages"] = options.stages
    if options.svd_ranks:
        settings["svd_ranks"] = _svd_ranks()
    settings |= {"precision": options.precision, "options": detection.options_from_flags(DETECTION, TEST_OPTIONS)}
    place = options.output, options.version
    with naming("--svd_ranks", about="ranks"):
        if options.detector is not None:
            settings["frozen_batch_norm_epsilon"] = options.frozen_batch_norm_epsilon
            path = export_published(options.detector, options.weights, *place, **settings)
        else:
            run = RunFolder(options.model_dir)
            path = export(run, *place, options.best, ensemble=options.ensemble, format=options.format, **settings)
    if options.write_server_config:
        write_server_config(path.parents[1], options.server_path)
    print(path)


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags, _check)


if __name__ == "__main__":
    run()
