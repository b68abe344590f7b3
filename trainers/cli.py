"""What the binaries share: how they start, and how they end when something is wrong."""

import sys

from absl import app, flags, logging

from keras_resnets import ArgumentError


def run(main, define_flags):
    """Defines the flags, parses them and calls `main(arguments)`.

    An argument that cannot work and a file that cannot be read or written end in one line on stderr and status 1.

    Args:
        main: function of the list of positional arguments.
        define_flags: function that defines the binary's flags. They are not defined when a binary's module is
            imported, so that one binary can use another's functions.
    """
    others = set(flags.FLAGS)
    define_flags()
    for name in set(flags.FLAGS) - others:
        # Only such flags are shown by --help.
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])

    def guarded(argv):
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # TensorFlow tells of every checkpoint.
        try:
            main(argv[1:])
        except (ArgumentError, OSError) as error:
            sys.exit(f"error: {error}")
        except KeyboardInterrupt:
            sys.exit("interrupted: the same command goes on from the last checkpoint, if this was training")

    app.run(guarded)


def no_arguments(arguments):
    """Raises ArgumentError if there are positional arguments."""
    if arguments:
        raise ArgumentError(f"unexpected argument {arguments[0]!r}: flags are written --name=value.")


def define_model_dir():
    """Defines --model_dir, which is required."""
    flags.DEFINE_string("model_dir", None, "Folder of the training run.", required=True)


def define_data():
    """Defines --data_dir and --download, for TensorFlow Datasets."""
    flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps its data.")
    flags.DEFINE_boolean("download", False, "Whether TensorFlow Datasets may download what is missing.")
