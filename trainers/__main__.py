"""Runs a command by its name: `keras-resnets COMMAND`, or `python -m trainers COMMAND`.

Without a command, or with --help, prints a list of them. A command is a module of this folder that defines `run()`.
"""

import ast
import difflib
import pathlib
import runpy
import sys

USAGE = """\
usage: keras-resnets COMMAND [--FLAG=VALUE ...]

keras-resnets COMMAND --help explains the flags of a command.

commands:"""


def find_commands():
    """Finds the commands, without importing them.

    Returns:
        Dict of command -> the first line of its module's docstring, in the order of the names.
    """
    commands = {}
    for path in sorted(pathlib.Path(__file__).parent.glob("[!_]*.py")):
        module = ast.parse(path.read_bytes())
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in module.body):
            commands[path.stem.replace("_", "-")] = ast.get_docstring(module).splitlines()[0]
    return commands


def run():
    """Entry point of `keras-resnets`."""
    commands = find_commands()
    name = sys.argv[1].replace("_", "-") if len(sys.argv) > 1 else "--help"
    if name in ("--help", "-h"):
        width = max(map(len, commands))
        print("\n".join([USAGE, *(f"  {command:<{width}}  {summary}" for command, summary in commands.items())]))
    elif name in commands:
        del sys.argv[0]  # run_module replaces the next one, the command's name.
        runpy.run_module(f"trainers.{name.replace('-', '_')}", run_name="__main__", alter_sys=True)
    else:
        close = "".join(f" (did you mean {match}?)" for match in difflib.get_close_matches(name, commands, n=1))
        sys.exit(f"error: command {sys.argv[1]!r} is unknown{close}: use {', '.join(commands)}")


if __name__ == "__main__":
    run()
