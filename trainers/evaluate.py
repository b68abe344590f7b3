"""Measures a trained net on the test images, every one once.

python -m trainers.evaluate --model_dir=/tmp/digits
python -m trainers.evaluate --model_dir=/tmp/photos --protocol=ten_crop --ensemble=/tmp/others:dense
python -m trainers.evaluate --model_dir=/tmp/scenes --box_refinement --voting_iou=0.5
"""

from absl import flags

from trainers.engine.run_folder import RunFolder
from trainers.evaluation.evaluate import evaluate
from trainers.flags import command, detection
from trainers.tasks.classification import DEFAULT_PROTOCOL
from trainers.tasks.detection import SPEC, TEST_OPTIONS
from trainers.tasks.ensembles import table
from trainers.tasks.protocols import PROTOCOLS


def _define_flags():
    command.define_model_dir()
    command.define_data()
    command.define_best()
    flags.DEFINE_string("dataset", None, "Another data set with the same classes.")
    flags.DEFINE_string("classifier_dir", None, "Of a localization: run of the net that predicts the classes, too.")
    flags.DEFINE_list("ensemble", [], "Other runs, which answer together with it; to classify, DIR[:PROTOCOL].")
    flags.DEFINE_enum("protocol", None, list(PROTOCOLS), f"To classify: which views; default: {DEFAULT_PROTOCOL}.")
    flags.DEFINE_integer("crop_size", None, "To classify: side of views of --model_dir's net.", lower_bound=1)
    flags.DEFINE_integer("short_side", None, "To classify: of resized images for --model_dir's net.", lower_bound=1)
    flags.DEFINE_boolean("search", False, "To classify: whether to add members while the top-1 error gets lower.")
    detection.define_options(SPEC, TEST_OPTIONS)


def _main(arguments):
    command.no_arguments(arguments)
    options = flags.FLAGS
    run = RunFolder(options.model_dir)
    task, results = evaluate(
        run,
        options.dataset,
        options.data_dir,
        options.download,
        options.best,
        options=detection.given_options(SPEC, TEST_OPTIONS),
        ensemble=options.ensemble,
        classifier_dir=options.classifier_dir,
        protocol=options.protocol,
        crop_size=options.crop_size,
        short_side=options.short_side,
        search=options.search,
    )
    if "members" in results:
        print("\n".join(table(results)))
    print(f"{task.title}, step {results['step']}, {results['images']} images: {task.summary(results)}")


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags)


if __name__ == "__main__":
    run()
