"""Finds the region proposals of a data set's test images, keeps them, and measures how many of the objects they cover.

python -m trainers.proposals --dataset=digit_scenes --method=selective_search --output=/tmp/proposals
"""

import pathlib

from absl import flags

from keras_resnets.errors import ArgumentError
from trainers.data.proposals.methods import METHODS
from trainers.flags import command


def _define_flags():
    flags.DEFINE_string("dataset", None, "A data set with boxes, as for trainers.detection.", required=True)
    flags.DEFINE_multi_enum("method", None, list(METHODS), "How to find them; may be repeated.", required=True)
    flags.DEFINE_string(
        "output", None, "Folder for recall.json, recall.png and the proposals, which are found once.", required=True
    )
    flags.DEFINE_integer("limit", 2000, "Largest number of proposals of an image.", lower_bound=1)
    flags.DEFINE_string(
        "edge_model", None, "For edge_boxes: OpenCV's file of a structured forest, model.yml.gz; default: gradients."
    )
    command.define_data()


def _main(arguments):
    from trainers.evaluation.proposals import measure_recall, table

    command.no_arguments(arguments)
    options = flags.FLAGS
    methods = {method: {} for method in options.method}
    if options.edge_model is not None:
        if "edge_boxes" not in methods:
            raise ArgumentError(f"--edge_model={options.edge_model} is for --method=edge_boxes: leave it out.")
        methods["edge_boxes"] = {"model": options.edge_model}
    output = pathlib.Path(options.output)
    figures = measure_recall(options.dataset, methods, options.limit, output, options.data_dir, options.download)
    print("\n".join(table(figures)))


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags)


if __name__ == "__main__":
    run()
