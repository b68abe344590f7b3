"""Repeats an experiment of the papers: trains and measures its members, and writes what it shows.

python -m trainers.reproduce --experiment=detection_lineage --output=/tmp/experiments
"""

import importlib
import pathlib
import sys

from absl import flags

from keras_resnets import ArgumentError
from trainers import cli
from trainers.experiments.experiment import Setting, run_member, write_report

EXPERIMENTS = ("detection_lineage", "noc_heads", "detection_improvements")  # modules of trainers.experiments


def find(name):
    """Returns the `Experiment` of a name of `EXPERIMENTS`."""
    return importlib.import_module(f"trainers.experiments.{name}").EXPERIMENT


def reproduce(experiment, setting, shard=(1, 1)):
    """Runs the members of an experiment that are not complete, and, when all are, writes its report.

    Args:
        experiment: an `Experiment`.
        setting: a `Setting`.
        shard: (i, n): of n processes, this one, 1 <= i <= n, runs every n-th member.

    Returns:
        The path of the report, README.md, or None while members of other processes are missing.
    """
    members = experiment.members(setting)
    for number, (name, function) in enumerate(members.items()):
        if number % shard[1] == shard[0] - 1:
            print(f"member {number + 1} of {len(members)}: {name}", file=sys.stderr)
            run_member(setting.folder / name, function)
    if not all((setting.folder / name / "figures.json").exists() for name in members):
        return None
    figures = {name: run_member(setting.folder / name, function) for name, function in members.items()}
    return write_report(setting.folder, experiment, experiment.report(figures), figures)


def _define_flags():
    flags.DEFINE_enum("experiment", None, list(EXPERIMENTS), "What to repeat.", required=True)
    flags.DEFINE_string("output", None, "Folder of all experiments; this one's is in it.", required=True)
    flags.DEFINE_string("dataset", None, "Instead of the experiment's own.")
    flags.DEFINE_enum("scale", "quick", ["quick", "full"], "Half an hour on two cores, or the paper's schedule.")
    flags.DEFINE_string("shard", "1/1", "I/N: this process runs every N-th member, from the I-th on.")
    cli.define_data()


def _shard(text):
    """Returns (i, n) of "i/n", or raises ArgumentError."""
    try:
        i, n = map(int, text.split("/"))
    except ValueError:
        i, n = 0, 0
    if not 1 <= i <= n:
        raise ArgumentError(f"--shard={text} must be I/N with 1 <= I <= N, such as 1/2.")
    return i, n


def _main(arguments):
    cli.no_arguments(arguments)
    options = flags.FLAGS
    shard, experiment = _shard(options.shard), find(options.experiment)
    setting = Setting(
        pathlib.Path(options.output).absolute() / options.experiment,
        options.dataset or experiment.datasets[0],
        options.scale == "quick",
        options.data_dir,
        options.download,
    )
    path = reproduce(experiment, setting, shard)
    print(path.read_text() if path else "The members of other shards are missing: the last one writes the report.")


def run():
    """Entry point of the command."""
    cli.run(_main, _define_flags)


if __name__ == "__main__":
    run()
