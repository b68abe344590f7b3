"""Runs commands in processes forked from one that has imported TensorFlow, which takes most of a command's time.

Every line of the standard input is a dict in JSON: `module` and `arguments` of a command, the folder `cwd`, and the
files `stdout` and `stderr`. The answer is a line with the command's status.
"""

import gc
import json
import os
import runpy
import sys

import trainers.tasks.registry  # noqa: F401 - what all commands import


def _become(request):
    """Turns this process into the command."""
    os.chdir(request["cwd"])
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        file = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = [request["module"], *request["arguments"]]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def main():
    """Runs commands until the standard input ends."""
    gc.freeze()  # Otherwise a command that ends spends a second on collecting what was imported here.
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
