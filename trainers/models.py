"""Prints the table of all nets, as the README has it, or writes it there.

python -m trainers.models --readme=README.md
"""

import pathlib

from absl import flags

from trainers.flags import command
from trainers.readme.place import table, with_table


def _define_flags():
    flags.DEFINE_string("readme", None, "File whose table is written anew; default: the table is printed.")


def _check():
    if flags.FLAGS.readme:
        table(pathlib.Path(flags.FLAGS.readme).read_text())


def _main():
    from trainers.readme import net_table

    content = net_table.content()
    if flags.FLAGS.readme:
        readme = pathlib.Path(flags.FLAGS.readme)
        readme.write_text(with_table(readme.read_text(), content))
    else:
        print(content, end="")


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags, _check)


if __name__ == "__main__":
    run()
