"""Importing TensorFlow for a command, without the messages of every start.

TensorFlow reports oneDNN and CUDA while its libraries are loaded, before it reads TF_CPP_MIN_LOG_LEVEL. It reports a
missing CUDA as an error when it first looks for GPUs. Its libraries write to file descriptor 2, not to sys.stderr.
"""

import contextlib
import glob
import os
import re
import signal
import sys

ALL_IS_WELL, FAILED = b"\0", b"\1"  # The end of the held back text; a process that died wrote none.
# Lines of severity I or W, as TensorFlow 2.20 and 2.21 write them, and the error that CUDA is missing.
NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|([\d.: -]+: [IW]|[IW]\d{4}) |.*call to cuInit: .*\(303\)"
)


def is_command():
    """Whether Python is about to run this package or a module of it with -m, or one of its console scripts.

    It can be asked while the package is imported.
    """
    started_with = sys.orig_argv[-len(sys.argv) :] if sys.argv else [""]
    if sys.argv[:1] == ["-m"]:  # So it is until the module is found. -mMODULE is one argument.
        return started_with[0].removeprefix("-m").partition(".")[0] == "trainers"
    # A process of multiprocessing has the arguments of its parent, but was not started with them.
    return started_with == sys.argv and re.match("keras-resnets(-|$)", os.path.basename(started_with[0])) is not None


def import_tensorflow():
    """Imports TensorFlow and looks for devices.

    If that fails or ends the process, all that TensorFlow writes is shown. If not, its messages of every start are left
    out.
    """
    if sys.stderr is None:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # Later, it writes errors only.
    with _held_back():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    if not gpus and glob.glob("/dev/nvidia[0-9]*"):
        print("TensorFlow cannot use the GPUs of this machine: -v=1 shows why", file=sys.stderr)


@contextlib.contextmanager
def _held_back():
    """Holds back what its block writes to stderr, then shows it without noise, or all of it if the block fails.

    Another process keeps the text, so that nothing is lost if this one crashes or is killed.
    """
    reader, writer = os.pipe()
    # Python drops an exception that a signal raises inside of a fork: signals wait until it is done.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    keeper = os.fork()
    if keeper == 0:
        try:
            os.setsid()  # Ctrl-C is for the command.
            os.close(writer)
            _keep(reader)
        finally:
            os._exit(0)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    os.close(reader)
    stderr = os.dup(2)
    os.dup2(writer, 2)
    end = FAILED
    try:
        yield
        end = ALL_IS_WELL
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.write(writer, end)
        os.close(writer)
        os.waitpid(keeper, 0)


def _keep(reader):
    """Reads a pipe to its end, and shows the text."""
    text = b""
    while not text.endswith((ALL_IS_WELL, FAILED)) and (chunk := os.read(reader, 2**16)):
        text += chunk
    lines = text.rstrip(ALL_IS_WELL + FAILED).splitlines(keepends=True)
    if text.endswith(ALL_IS_WELL):
        lines = [line for line in lines if not NOISE.match(line)]
    with open(2, "wb", closefd=False) as stderr:
        stderr.writelines(lines)
