"""Measures speed and memory on this machine, which it names, against a peer in the same run, in turns.

python -m trainers.benchmark --what=build_resnet101
"""

import pathlib

from absl import flags

from trainers.benchmarks.classification import (
    build_resnet101,
    cifar_resnet1202,
    import_time,
    jit_compile,
    protocols,
    rematerialization,
    train_cifar_resnet20,
)
from trainers.benchmarks.detection import faster_rcnn_resnet101, roi
from trainers.benchmarks.serving import serving, serving_latency
from trainers.flags import command
from trainers.runtime.atomic_files import write_json
from trainers.runtime.measuring import processor

BENCHMARKS = {
    benchmark.__name__: benchmark
    for benchmark in (
        import_time,
        build_resnet101,
        train_cifar_resnet20,
        jit_compile,
        rematerialization,
        cifar_resnet1202,
        protocols,
        roi,
        faster_rcnn_resnet101,
        serving,
        serving_latency,
    )
}


def _define_flags():
    flags.DEFINE_multi_enum("what", list(BENCHMARKS), list(BENCHMARKS), "What to measure; may be repeated.")
    flags.DEFINE_integer("repeats", 5, "Times that each is measured; the median counts.", lower_bound=1)
    flags.DEFINE_string("output", None, "JSON file to write the figures to as well.")


def _show(name, figures):
    """Prints figures in a line, and each group of figures that is among them in a line of its own."""
    groups = {key: value for key, value in figures.items() if isinstance(value, dict)}
    shown = (
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in figures.items()
        if key not in groups
    )
    print(f"{name}: {', '.join(shown)}", flush=True)
    for key, group in groups.items():
        _show(f"{name} {key}", group)


def _main(arguments):
    command.no_arguments(arguments)
    results = {}
    for name in flags.FLAGS.what:
        results[name] = {"processor": processor(), **BENCHMARKS[name](flags.FLAGS.repeats)}
        _show(name, results[name])
    if flags.FLAGS.output:
        write_json(pathlib.Path(flags.FLAGS.output), results)


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags)


if __name__ == "__main__":
    run()
