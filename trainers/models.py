"""Prints the table of all nets, as the README has it, or writes it there.

python -m trainers.models --readme=README.md
"""

import pathlib

from absl import flags

from trainers.flags import command


def _define_flags():
    flags.DEFINE_string("readme", None, "File whose table is written anew; default: the table is printed.")


def _main(arguments):
    from trainers.benchmarks import net_table

    command.no_arguments(arguments)
    if flags.FLAGS.readme:
        net_table.write(pathlib.Path(flags.FLAGS.readme))
    else:
        print(net_table.content(), end="")


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags)


if __name__ == "__main__":
    run()
