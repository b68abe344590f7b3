"""How commands start, read their flags, and end when something is wrong."""

import os
import re
import signal
import sys
from collections.abc import Callable

from absl import app, flags, logging

from keras_resnets.detection.registry import COCO, list_detectors
from keras_resnets.errors import ArgumentError
from keras_resnets.values import FINITE, NON_NEGATIVE
from trainers.runtime import deferred, quiet_start
from trainers.runtime.interruption import SIGNAL_STATUS, Interrupted

_new_names: dict[str, str] = {}  # of renamed flags


def run(
    main: Callable[..., None],
    define_flags: Callable[[], None],
    check: Callable[..., None] | None = None,
    takes_arguments: bool = False,
) -> None:
    """Defines the flags, parses and checks them, loads TensorFlow and calls `main`.

    An argument that cannot work and a file that cannot be read or written end in one line on stderr and status 1;
    --help and its relatives write to stdout and end with status 0.

    Args:
        main: does the command's work. It imports what it runs: TensorFlow takes seconds to load, and a wrong flag is
            answered before.
        define_flags: defines the command's flags.
        check: raises ArgumentError for values of flags that cannot work, as far as that is known without TensorFlow and
            the data.
        takes_arguments: whether `main` and `check` take the positional arguments; if not, there must be none.
    """
    others = set(flags.FLAGS)
    define_flags()
    for name in set(flags.FLAGS) - others - _new_names.keys():
        # --help shows only such flags.
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])
    sys.modules["__main__"].__doc__ = main.__globals__["__doc__"]  # --help begins with it.

    sys.stdout.reconfigure(errors="backslashreplace")  # Names of files may be no text.

    def guarded(argv):
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # TensorFlow reports every checkpoint.
        signal.signal(signal.SIGTERM, _terminate)
        arguments = argv[1:]
        try:
            _warn_of_old_names()
            _check_numbers()
            if arguments and not takes_arguments:
                raise ArgumentError(f"unexpected argument {arguments[0]!r}: flags are written --name=value.")
            if check is not None:
                check(*arguments)
            _load()
            main(*arguments)
        except (ArgumentError, OSError) as error:
            sys.exit(f"error: {error}")
        except Interrupted as stop:
            print(stop, file=sys.stderr)
            sys.exit(stop.status)
        except KeyboardInterrupt as stop:
            print("interrupted: the same command goes on from what is saved, if this was training", file=sys.stderr)
            sys.exit(SIGNAL_STATUS + (signal.SIGTERM if isinstance(stop, _Terminated) else signal.SIGINT))

    app.run(guarded, flags_parser=_parse)


def _parse(argv):
    """Parses the flags; returns the other arguments."""
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        # absl: "flag --dataset=None: Flag --dataset must have a value other than None."
        text = re.sub(r"flag --(\w+)=None: .*\.", r"--\1 is required: pass --\1=...", str(error))
        text = re.sub(r"could not convert string to float: .*", "use a number", text)
        text = re.sub(r"invalid literal for int\(\) with base \d+: .*", "use an integer", text)
        sys.exit(f"error: {'; '.join(text.splitlines())} (--help explains the flags)")
    except SystemExit:  # --help has been printed; absl ends with status 1.
        sys.exit()


def _load():
    """Loads TensorFlow and `keras_resnets`, which have waited for the flags."""
    if deferred.is_deferring():
        if not flags.FLAGS["verbosity"].present or flags.FLAGS.verbosity < 0:
            quiet_start.import_tensorflow()
        deferred.execute()


class _Terminated(KeyboardInterrupt):
    """SIGTERM has come."""


def _terminate(number, frame):
    raise _Terminated


def define_old_name(old: str, new: str) -> None:
    """Defines a flag's name of earlier releases, which works, but warns; --help does not show it."""
    flags.DEFINE_alias(old, new)
    _new_names[old] = new


def _warn_of_old_names():
    for old, new in _new_names.items():
        if flags.FLAGS[old].present:
            if flags.FLAGS[new].present > flags.FLAGS[old].present:  # An alias counts for both.
                raise ArgumentError(f"--{old} is the old name of --{new}, which is given as well: leave --{old} out.")
            print(f"warning: --{old} is now --{new}; the next release has the new name only", file=sys.stderr)


def _check_numbers():
    """Raises ArgumentError for a number that is not finite, or would be infinite in a float32 model."""
    for name in set(flags.FLAGS) - _new_names.keys():
        value = flags.FLAGS[name].value
        if isinstance(value, float):
            FINITE.check(f"--{name}", value)


def numbers(flag: str, kind: type) -> tuple | None:
    """Returns the numbers of a list flag, or None where it is not given.

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
        raise ArgumentError(f"--{flag}={','.join(value)} must be {_plural(kind)}, separated by commas.") from error


def named_numbers(flag: str, kind: type, example: str) -> dict:
    """Returns the dict of a list flag of NAME=NUMBER.

    Args:
        flag: the flag's name.
        kind: int or float.
        example: a value of the flag, for the error message.

    Raises:
        ArgumentError: if an entry is no such pair, a name comes twice, or a number is negative or not finite.
    """
    value = flags.FLAGS[flag].value
    pairs = [entry.partition("=")[::2] for entry in value]
    try:
        named = {name: kind(number) for name, number in pairs}
        is_right = len(named) == len(pairs) and all(map(NON_NEGATIVE.contain, named.values()))
    except ValueError:
        is_right = False
    if not is_right or "" in named:
        raise ArgumentError(
            f"--{flag}={','.join(value)} must be NAME=NUMBER, separated by commas, with {_plural(kind)} of 0 or more: "
            f"for example {example}."
        )
    return named


def _plural(kind):
    return "integers" if kind is int else "numbers"


def define_model_dir(required: bool = True) -> None:
    """Defines --model_dir."""
    flags.DEFINE_string("model_dir", None, "Folder of the training run.", required=required)


def define_published_detector(instead_of: str) -> None:
    """Defines --detector, --weights and --frozen_batch_norm_epsilon, for `check_published_detector`.

    Args:
        instead_of: the flag that gives another model, e.g. "--model_dir".
    """
    flags.DEFINE_enum("detector", None, list_detectors(), f"A published detector, instead of {instead_of}.")
    flags.DEFINE_string(
        "weights",
        COCO,
        f"Weights of --detector: {COCO}, which is downloaded once, or a file of torchvision's detector of this name.",
    )
    define_frozen_batch_norm_epsilon("--weights")


def define_frozen_batch_norm_epsilon(weights: str) -> None:
    """Defines --frozen_batch_norm_epsilon.

    Args:
        weights: the flag that names the file, e.g. "--weights".
    """
    flags.DEFINE_float(
        "frozen_batch_norm_epsilon",
        None,
        f"Epsilon of frozen batch normalization in a file of {weights}: 0 if it was fine-tuned from torchvision's "
        f"detector of version 1 for COCO; default: 1e-5, and 0 for {COCO} and torchvision's own file.",
        lower_bound=0,
    )


def check_frozen_batch_norm_epsilon() -> None:
    """Raises ArgumentError for --frozen_batch_norm_epsilon without --detector."""
    epsilon = flags.FLAGS.frozen_batch_norm_epsilon
    if epsilon is not None and flags.FLAGS.detector is None:
        raise ArgumentError(
            f"--frozen_batch_norm_epsilon={epsilon:g} is for --detector: pass that as well, or leave it out."
        )


def check_published_detector() -> None:
    """Checks the flags of `define_published_detector`.

    Raises:
        ArgumentError: for flags without --detector, or weights that do not exist.
    """
    check_frozen_batch_norm_epsilon()
    weights = flags.FLAGS["weights"]
    if weights.present and flags.FLAGS.detector is None:
        raise ArgumentError(f"--weights={weights.value} is for --detector: pass that as well, or leave it out.")
    if weights.value != COCO and not os.path.isfile(weights.value):
        raise ArgumentError(
            f"--weights={weights.value} is no existing file: give the path of a .pth or .safetensors file, or {COCO}."
        )


def define_best() -> None:
    """Defines --best."""
    flags.DEFINE_boolean("best", False, "Whether to take the checkpoint with the lowest error, instead of the last.")


def define_data() -> None:
    """Defines --data_dir and --download, for TensorFlow Datasets."""
    flags.DEFINE_string("data_dir", None, "Folder where TensorFlow Datasets keeps its data.")
    flags.DEFINE_boolean("download", False, "Whether TensorFlow Datasets may download missing data.")
