"""Writes test images of a built-in data set as PNG files.

python -m trainers.sample_images --dataset=digits --output=/tmp/digits

They are for trying a prediction.
"""

from absl import flags

from keras_resnets.errors import check_folder
from trainers.data.sample_files import WRITERS
from trainers.flags import command


def _define_flags():
    flags.DEFINE_enum("dataset", "digits", list(WRITERS), "The data set.")
    flags.DEFINE_string("output", None, "Folder for the images.", required=True)


def _check():
    check_folder("--output", flags.FLAGS.output)


def _main():
    WRITERS[flags.FLAGS.dataset](flags.FLAGS.output)


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags, _check)


if __name__ == "__main__":
    run()
