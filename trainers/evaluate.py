"""Measures a trained net on the test images, every one once.

python -m trainers.evaluate --model_dir=/tmp/digits
python -m trainers.evaluate --model_dir=/tmp/photos --protocol=ten_crop --ensemble=/tmp/others:dense
python -m trainers.evaluate --model_dir=/tmp/scenes --box_refinement --voting_iou=0.5
"""

from absl import flags

from trainers.data.registry import check_name
from trainers.engine.run_folder import RunFolder
from trainers.flags import command, detection
from trainers.runtime.choices import LARGEST_SIDE
from trainers.tasks.protocols import DEFAULT_PROTOCOL, PROTOCOLS
from trainers.tasks.specs import DETECTION, TEST_OPTIONS


def _define_flags():
    command.define_model_dir()
    command.define_data()
    command.define_best()
    flags.DEFINE_string("dataset", None, "Data set with the same classes; default: that of the training.")
    flags.DEFINE_string(
        "classifier_dir",
        None,
        "For localization: folder of a classification run; its five likeliest classes are localized as well.",
    )
    flags.DEFINE_list(
        "ensemble", [], "Folders of runs that form an ensemble with it; for classification, DIR[:PROTOCOL]."
    )
    flags.DEFINE_enum(
        "protocol",
        None,
        list(PROTOCOLS),
        f"For classification: the views of an image, see README.md; default: {DEFAULT_PROTOCOL}.",
    )
    flags.DEFINE_integer(
        "crop_size",
        None,
        "For classification: side of the views that --model_dir's net sees, in pixels; default: as in training.",
        lower_bound=1,
        upper_bound=LARGEST_SIDE,
    )
    flags.DEFINE_integer(
        "short_side",
        None,
        "For classification: short side of the resized images for --model_dir's net, in pixels; default: as in "
        "training.",
        lower_bound=1,
        upper_bound=LARGEST_SIDE,
    )
    flags.DEFINE_boolean(
        "search", False, "For classification: whether to build the ensemble greedily, while the top-1 error falls."
    )
    detection.define_options(DETECTION, TEST_OPTIONS, default="that of the training")


def _check():
    options = flags.FLAGS
    run = RunFolder(options.model_dir)
    config = run.config()
    run.check_writable()
    if options.dataset is not None:
        check_name("classification" if config["task"] == "classification" else "detection", options.dataset)
    detection.check_test_options(config)


def _main():
    from trainers.evaluation.evaluate import evaluate
    from trainers.metrics.report import worst_in_words

    options = flags.FLAGS
    task, results = evaluate(
        RunFolder(options.model_dir),
        options.dataset,
        options.data_dir,
        options.download,
        options.best,
        options=detection.options_from_flags(DETECTION, TEST_OPTIONS),
        ensemble=options.ensemble,
        classifier_dir=options.classifier_dir,
        protocol=options.protocol,
        crop_size=options.crop_size,
        short_side=options.short_side,
        search=options.search,
    )
    summary = f"{task.title}, step {results['step']}, {results['images']} images: {task.summary(results)}"
    print("\n".join([*task.table(results), summary, *worst_in_words(results)]))


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags, _check)


if __name__ == "__main__":
    run()
