"""Repeats an experiment of the papers: trains and measures its members, and writes what it shows.

python -m trainers.reproduce --experiment=degradation --output=/tmp/experiments
python -m trainers.reproduce --report --output=/tmp/experiments
"""

import importlib
import pathlib
import pkgutil
import sys

from absl import flags

from keras_resnets import ArgumentError
from trainers.experiments import papers
from trainers.experiments.experiment import Setting, check_setting, read_member, run_member, write_report
from trainers.experiments.html_report import write_html
from trainers.flags import command

EXPERIMENTS = [module.name for module in pkgutil.iter_modules(papers.__path__)]


def find(name):
    """Returns the `Experiment` of a name of `EXPERIMENTS`; its module is imported only now."""
    return importlib.import_module(f"{papers.__name__}.{name}").EXPERIMENT


def reproduce(experiment, setting, shard=(1, 1)):
    """Runs the members of an experiment that are not complete, and, when all are, writes its report.

    Args:
        experiment: an `Experiment`.
        setting: a `Setting`.
        shard: (i, n): of n processes, this one, 1 <= i <= n, runs every n-th member.

    Returns:
        The path of the report, README.md, or None while members of other processes are missing.

    Raises:
        ArgumentError: if the folder was begun with another setting, or something in it is damaged.
    """
    check_setting(setting)
    members = experiment.members(setting)
    folders = {name: setting.folder / name for name in members}
    for folder in folders.values():
        read_member(folder)  # A damaged one is named before hours of training.
    for number, (name, function) in enumerate(members.items()):
        if number % shard[1] == shard[0] - 1:
            print(f"member {number + 1} of {len(members)}: {name}", file=sys.stderr)
            run_member(folders[name], function)
    complete = {name: read_member(folder) for name, folder in folders.items()}
    return None if None in complete.values() else write_report(setting, experiment, complete)


def _define_flags():
    flags.DEFINE_enum("experiment", None, EXPERIMENTS, "What to repeat.")
    flags.DEFINE_boolean("report", False, "Instead: write report.html, of all experiments in the folder --output.")
    flags.DEFINE_string("output", None, "Folder of all experiments; this one's is in it.", required=True)
    flags.DEFINE_string("dataset", None, "Instead of the experiment's own.")
    flags.DEFINE_enum("scale", "quick", ["quick", "full"], "Half an hour on two cores, or the paper's schedule.")
    flags.DEFINE_string("shard", "1/1", "I/N: this process runs every N-th member, from the I-th on.")
    command.define_data()


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
    command.no_arguments(arguments)
    options = flags.FLAGS
    if options.report == (options.experiment is not None):
        raise ArgumentError("pass either --experiment=NAME or --report.")
    output = pathlib.Path(options.output).absolute()
    if options.report:
        for name in ("dataset", "data_dir", "download", "scale", "shard"):
            if options[name].present:
                raise ArgumentError(f"--{name} has no effect with --report: leave it out.")
        print(f"report: {write_html(output)}")
        return
    shard, experiment, quick = _shard(options.shard), find(options.experiment), options.scale == "quick"
    setting = Setting(
        output / options.experiment,
        experiment.choose_dataset(options.dataset, quick),
        quick,
        options.data_dir,
        options.download,
    )
    path = reproduce(experiment, setting, shard)
    print(path.read_text() if path else "The members of other shards are missing: the last one writes the report.")


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags)


if __name__ == "__main__":
    run()
