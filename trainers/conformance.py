"""Exports nets, and compares what TensorFlow's C++ runtime makes of the exports with what Keras makes of the nets.

python -m trainers.conformance --output=conformance.md

Nets have random weights, also where normalization would hide an error, and no Python code takes part in the answers:
the export is loaded by TensorFlow's C library in a process of its own, which replays the warm-up requests.
"""

import pathlib
import sys
import tempfile

import keras
from absl import flags

from keras_resnets.models.registry import names
from keras_resnets.serving.portable import FILES
from trainers.flags import command as flags_command
from trainers.flags.command import no_arguments
from trainers.runtime.progress import Progress
from trainers.serving.conformance import DETECTORS, LOCALIZERS, TOLERANCE, export_and_compare
from trainers.serving.export import SAVED_MODEL


def _define_flags():
    known = [*names(), *DETECTORS, *LOCALIZERS]
    flags.DEFINE_multi_enum("model", None, known, "A net to export; may be repeated; default: all of the format.")
    flags.DEFINE_enum("format", SAVED_MODEL, [SAVED_MODEL, *FILES], "What to export to, as in trainers.export.")
    flags.DEFINE_string("output", None, "Markdown file to write the table to as well.")


def _main(arguments):
    no_arguments(arguments)
    lines, wrong = ["| net | largest difference | MB |", "|---|---|---|"], []
    models = flags.FLAGS.model or [*names(), *((DETECTORS | LOCALIZERS) if flags.FLAGS.format == SAVED_MODEL else ())]
    with Progress(len(models), "exporting", "nets") as progress:
        for name in models:
            with tempfile.TemporaryDirectory() as folder:
                differences, size = export_and_compare(name, folder, flags.FLAGS.format)
            keras.backend.clear_session()
            worst = max(differences.values())
            wrong += [name] if not worst <= TOLERANCE else []
            lines.append(f"| `{name}` | {worst:.1e} | {size / 1e6:.1f} |")
            progress.update(1)
    print("\n".join(lines))
    if flags.FLAGS.output:
        pathlib.Path(flags.FLAGS.output).write_text("\n".join(lines) + "\n")
    if wrong:
        sys.exit(f"error: {', '.join(wrong)}: the answers differ by more than {TOLERANCE:g}")


def run():
    """Entry point of the command."""
    flags_command.run(_main, _define_flags)


if __name__ == "__main__":
    run()
