"""Repeats an experiment of the papers, and reports what it shows.

python -m trainers.reproduce --experiment=degradation --output=/tmp/experiments
python -m trainers.reproduce --report --output=/tmp/experiments
"""

import pathlib

from absl import flags

from keras_resnets.errors import ArgumentError, check_folder
from trainers.data.registry import check_name
from trainers.experiments.registry import EXPERIMENTS, find
from trainers.flags import command


def _define_flags():
    flags.DEFINE_enum("experiment", None, EXPERIMENTS, "The experiment to repeat.")
    flags.DEFINE_boolean("report", False, "Write report.html about all experiments in --output instead.")
    flags.DEFINE_string("output", None, "Folder of all experiments; each has a folder in it.", required=True)
    flags.DEFINE_string("dataset", None, "Data set; default: the experiment's own.")
    flags.DEFINE_enum("scale", "quick", ["quick", "full"], "Half an hour on two cores, or the paper's schedule.")
    flags.DEFINE_string("shard", "1/1", "I/N: run every N-th member, from the I-th on, in this process.")
    command.define_data()


def _check():
    options = flags.FLAGS
    check_folder("--output", options.output)
    if options.report == (options.experiment is not None):
        raise ArgumentError("pass either --experiment=NAME or --report.")
    for name in ("dataset", "data_dir", "download", "scale", "shard"):
        if options.report and options[name].present:
            raise ArgumentError(f"--{name} has no effect with --report: leave it out.")
    if options.dataset is not None:
        check_name(None, options.dataset)
    _shard(options.shard)


def _main():
    options = flags.FLAGS
    (_write_report if options.report else _reproduce)(pathlib.Path(options.output).absolute())


def _write_report(output):
    from trainers.experiments.html_report import write_html

    print(f"report: {write_html(output)}")


def _reproduce(output):
    from trainers.experiments.experiment import Setting
    from trainers.experiments.reproduce import reproduce

    options = flags.FLAGS
    shard, experiment, quick = _shard(options.shard), find(options.experiment), options.scale == "quick"
    dataset = experiment.choose_dataset(options.dataset, quick)
    setting = Setting(output / options.experiment, dataset, quick, options.data_dir, options.download)
    path = reproduce(experiment, setting, shard)
    print(path.read_text() if path else "The members of other shards are missing: the last one writes the report.")


def _shard(text):
    """Returns (i, n) of "i/n", or raises ArgumentError."""
    try:
        i, n = map(int, text.split("/"))
    except ValueError:
        i, n = 0, 0
    if not 1 <= i <= n:
        raise ArgumentError(f"--shard={text} must be I/N with 1 <= I <= N, such as 1/2.")
    return i, n


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags, _check)


if __name__ == "__main__":
    run()
