"""Finds the region proposals of a data set's test images, keeps them, and measures how many of the objects they cover.

python -m trainers.proposals --dataset=digit_scenes --method=selective_search --output=/tmp/proposals
"""

import pathlib

from absl import flags

from keras_resnets import ArgumentError
from trainers.data.proposals.cache import ProposalCache
from trainers.data.proposals.methods import METHODS
from trainers.data.registry import absolute, open_detection_dataset, title
from trainers.evaluation.proposals import COUNTS, DRAWN_IOUS, measure, table
from trainers.flags import command
from trainers.plots.figures import proposal_recall
from trainers.runtime.atomic_files import write_json


def _define_flags():
    flags.DEFINE_string("dataset", None, "One with boxes, as in trainers.detection.", required=True)
    flags.DEFINE_multi_enum("method", None, list(METHODS), "How to find them; may be repeated.", required=True)
    flags.DEFINE_string(
        "output", None, "Folder for recall.json, recall.png and the proposals, which are found once.", required=True
    )
    flags.DEFINE_integer("limit", 2000, "The most proposals of an image.", lower_bound=1)
    flags.DEFINE_string("edge_model", None, "Of edge_boxes: OpenCV's file of a structured forest, model.yml.gz.")
    command.define_data()


def _main(arguments):
    command.no_arguments(arguments)
    options = flags.FLAGS
    methods = list(dict.fromkeys(options.method))
    if options.edge_model is not None and "edge_boxes" not in methods:
        raise ArgumentError(f"--edge_model={options.edge_model} is for --method=edge_boxes: leave it out.")
    settings = {"edge_boxes": {"model": options.edge_model}}
    output = pathlib.Path(options.output)
    caches = {
        method: ProposalCache(output / "proposals", method, options.limit, **settings.get(method, {}))
        for method in methods
    }
    dataset = open_detection_dataset(options.dataset, options.data_dir, options.download)
    counts = [count for count in COUNTS if count < options.limit] + [options.limit]
    figures, curves = measure(caches, dataset.test, counts)
    print("\n".join(table(figures)))
    output.mkdir(parents=True, exist_ok=True)
    report = {"dataset": absolute(options.dataset), "images": dataset.test.size, "methods": figures}
    write_json(output / "recall.json", report)
    proposal_recall(DRAWN_IOUS, curves, counts, f"Region proposals on {title(options.dataset)}", output / "recall.png")


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags)


if __name__ == "__main__":
    run()
