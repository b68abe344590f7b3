"""What the binaries share: how they start, and how they end when something is wrong."""

import signal
import sys

from absl import app, flags, logging

from keras_resnets import ArgumentError
from trainers.runtime.interruption import Interrupted

SIGNAL_STATUS = 128  # plus the signal's number: the status of a process that a signal ended


def run(main, define_flags):
    """Defines the flags, parses them and calls `main(arguments)`.

    An argument that cannot work and a file that cannot be read or written end in one line on stderr and status 1;
    --help and its relatives write to stdout and end with status 0.

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
        signal.signal(signal.SIGTERM, _terminate)
        try:
            main(argv[1:])
        except (ArgumentError, OSError) as error:
            sys.exit(f"error: {error}")
        except Interrupted as stop:
            print(stop, file=sys.stderr)
            sys.exit(SIGNAL_STATUS + stop.signal)
        except KeyboardInterrupt as stop:
            print("interrupted: the same command goes on from what is saved, if this was training", file=sys.stderr)
            sys.exit(SIGNAL_STATUS + (signal.SIGTERM if isinstance(stop, _Terminated) else signal.SIGINT))

    app.run(guarded, flags_parser=_parse)


def _parse(argv):
    """Parses the flags; returns the other arguments."""
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        sys.exit(f"error: {'; '.join(str(error).splitlines())} (--help explains the flags)")
    except SystemExit:  # --help has been printed: absl calls that status 1.
        sys.exit()


class _Terminated(KeyboardInterrupt):
    """SIGTERM has come."""


def _terminate(number, frame):
    raise _Terminated


def no_arguments(arguments):
    """Raises ArgumentError if there are positional arguments."""
    if arguments:
        raise ArgumentError(f"unexpected argument {arguments[0]!r}: flags are written --name=value.")


def numbers(flag, kind):
    """Returns the numbers of a list flag as a tuple, or None where it is not given.

    Args:
        flag: the flag's name.
        kind: int or float.

    Raises:
        ArgumentError: if an entry is no such number.
    """
    value = flags.FLAGS[flag].value
    try:
        return None if value is None else tuple(kind(entry) for entry in value)
    except ValueError as error:
        what = "integers" if kind is int else "numbers"
        raise ArgumentError(f"--{flag}={','.join(value)} must be {what}, separated by commas.") from error


def define_model_dir():
    """Defines --model_dir, which is required."""
    flags.DEFINE_string("model_dir", None, "Folder of the training run.", required=True)


def define_best():
    """Defines --best."""
    flags.DEFINE_boolean("best", False, "Whether to take the checkpoint with the lowest error, instead of the last.")


def define_data():
    """Defines --data_dir and --download, for TensorFlow Datasets."""
    flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps its data.")
    flags.DEFINE_boolean("download", False, "Whether TensorFlow Datasets may download what is missing.")
