"""Finds region proposals, and measures how many objects they cover.

python -m trainers.proposals --dataset=digit_scenes --method=selective_search --output=/tmp/proposals

The images are the test images of a data set. Their proposals are found once, and kept.
"""

import pathlib

from absl import flags

from keras_resnets.errors import ArgumentError
from trainers.data.proposals.methods import METHODS
from trainers.data.registry import check_name
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


def _check():
    options = flags.FLAGS
    check_name("detection", options.dataset)
    if options.edge_model is not None and "edge_boxes" not in options.method:
        raise ArgumentError(f"--edge_model={options.edge_model} is for --method=edge_boxes: leave it out.")


def _main():
    from trainers.evaluation.proposals import measure_recall, table

    options = flags.FLAGS
    methods = {method: {} for method in options.method}
    if options.edge_model is not None:
        methods["edge_boxes"] = {"model": options.edge_model}
    output = pathlib.Path(options.output)
    figures = measure_recall(options.dataset, methods, options.limit, output, options.data_dir, options.download)
    print("\n".join(table(figures)))


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags, _check)


if __name__ == "__main__":
    run()
