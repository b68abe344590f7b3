"""Measures speed and memory on this machine, against a peer in turns.

python -m trainers.benchmark --what=build_resnet101

The figures name the machine's processor.
"""

import pathlib

from absl import flags

from trainers.benchmarks.registry import BENCHMARKS, find
from trainers.flags import command


def _define_flags():
    flags.DEFINE_multi_enum("what", list(BENCHMARKS), list(BENCHMARKS), "What to measure; may be repeated.")
    flags.DEFINE_integer("repeats", 5, "Measurements of each, whose median counts.", lower_bound=1)
    flags.DEFINE_string("output", None, "JSON file for the figures; they are printed in any case.")


def _main():
    from trainers.runtime.atomic_files import write_json
    from trainers.runtime.measuring import processor

    results = {}
    for name in flags.FLAGS.what:
        results[name] = {"processor": processor(), **find(name)(flags.FLAGS.repeats)}
        _show(name, results[name])
    if flags.FLAGS.output:
        write_json(pathlib.Path(flags.FLAGS.output), results)


def _show(name, figures):
    """Prints figures in a line, and each group of figures among them in a line of its own."""
    groups = {key: value for key, value in figures.items() if isinstance(value, dict)}
    shown = (
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in figures.items()
        if key not in groups
    )
    print(f"{name}: {', '.join(shown)}", flush=True)
    for key, group in groups.items():
        _show(f"{name} {key}", group)


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags)


if __name__ == "__main__":
    run()
