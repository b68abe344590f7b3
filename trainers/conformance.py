"""Compares exports in other runtimes with the nets in Keras.

python -m trainers.conformance --output=conformance.md

Nets have random weights, also where normalization would hide an error, and no Python code takes part in the answers:
the export is loaded by TensorFlow's C library in a process of its own, which replays the warm-up requests.
"""

import pathlib
import sys

from absl import flags

from keras_resnets.serving.formats import FILES
from trainers.flags import command
from trainers.runtime.choices import SAVED_MODEL
from trainers.runtime.failures import as_flags
from trainers.serving.conformance_models import check_name


def _define_flags():
    flags.DEFINE_multi_string(
        "model",
        None,
        "A name of keras_resnets.list_models(), or a detector or localizer of "
        "trainers.serving.conformance_models; may be repeated. Default: all of the format.",
    )
    flags.DEFINE_enum("format", SAVED_MODEL, [SAVED_MODEL, *FILES], "Format of the exports, as in trainers.export.")
    flags.DEFINE_string("output", None, "Markdown file for the table; it is printed in any case.")


def _check():
    for name in flags.FLAGS.model or ():
        with as_flags():
            check_name(name, flags.FLAGS.format)


def _main():
    from trainers.serving.conformance import TOLERANCE, compare, table

    results = compare(flags.FLAGS.model, flags.FLAGS.format)
    text = table(results)
    print(text)
    if flags.FLAGS.output:
        pathlib.Path(flags.FLAGS.output).write_text(f"{text}\n")
    wrong = [name for name, (difference, _) in results.items() if not difference <= TOLERANCE]
    if wrong:
        sys.exit(f"error: {', '.join(wrong)}: the answers differ by more than {TOLERANCE:g}")


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags, _check)


if __name__ == "__main__":
    run()
