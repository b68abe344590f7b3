"""Measures speed and memory on this machine, against a peer in turns.

python -m trainers.benchmark --what=build_resnet101

The figures name the machine's processor.
"""

import pathlib
import sys

from absl import flags

from keras_resnets.errors import ArgumentError
from trainers.benchmarks.registry import BENCHMARKS, OLD_NAMES, chosen_rows, find
from trainers.flags import command


def _define_flags():
    names = [*BENCHMARKS, *OLD_NAMES]
    flags.DEFINE_multi_enum("what", None, names, "What to measure; may be repeated.")
    flags.DEFINE_integer("repeats", 5, "Measurements of each, whose median counts.", lower_bound=1)
    flags.DEFINE_list("only", [], "Rows to measure (nets, augmentations or depths); all by default.")
    flags.DEFINE_string("peer_python", sys.executable, "Python that has PyTorch and torchvision.")
    flags.DEFINE_string("output", None, "JSON file for the figures, with pictures beside it; figures are also printed.")


def _check():
    if not flags.FLAGS.what:
        raise ArgumentError(f"--what is required, and may be repeated: pass --what=NAME, with {', '.join(BENCHMARKS)}.")
    chosen_rows(flags.FLAGS.what, flags.FLAGS.only)


def _main():
    from trainers.benchmarks import table
    from trainers.benchmarks.settings import Settings
    from trainers.runtime.atomic_files import write_json
    from trainers.runtime.measuring import processor

    values = flags.FLAGS
    output = values.output and pathlib.Path(values.output)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)  # Not after minutes of measuring.
    results = {}
    for old in OLD_NAMES.keys() & set(values.what):
        print(f"warning: --what={old} is now --what={OLD_NAMES[old]}; the next release has no {old}", file=sys.stderr)
    for name, rows in chosen_rows(values.what, values.only).items():
        settings = Settings(rows, values.repeats, values.peer_python, output and output.parent)
        results[name] = {"processor": processor(), **find(name)(settings)}
        for form in (table.json_lines, table.rows):
            print(*form(name, results[name]), sep="\n", flush=True)
    if output:
        write_json(output, results)


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags, _check)


if __name__ == "__main__":
    run()
