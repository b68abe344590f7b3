"""An experiment, from its members to its report."""

import pathlib
import sys

from trainers.experiments.experiment import Experiment, Setting, check_setting, read_member, run_member, write_report


def reproduce(experiment: Experiment, setting: Setting, shard: tuple[int, int] = (1, 1)) -> pathlib.Path | None:
    """Runs the members of an experiment that are not complete. When all are, writes the report.

    Args:
        experiment: what to repeat.
        setting: how.
        shard: (i, n), 1 <= i <= n: this process is the i-th of n, and runs every n-th member.

    Returns:
        The path of the report, README.md, or None while members of other processes are missing.

    Raises:
        ArgumentError: if the folder was begun with another setting, or something in it is damaged.
    """
    check_setting(setting)
    members = experiment.members(setting)
    folders = {name: setting.folder / name for name in members}
    for folder in folders.values():
        read_member(folder)  # A damaged one is reported before hours of training.
    for number, (name, function) in enumerate(members.items()):
        if number % shard[1] == shard[0] - 1:
            print(f"member {number + 1} of {len(members)}: {name}", file=sys.stderr)
            run_member(folders[name], function)
    complete = {name: read_member(folder) for name, folder in folders.items()}
    return None if None in complete.values() else write_report(setting, experiment, complete)
