"""What several tests share."""

import gc
import json
import os
import pathlib
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["HF_HUB_OFFLINE"] = "1"  # Otherwise it tries for half a minute.

import keras
import numpy as np
import processes
import pytest

ROOT = pathlib.Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
NUMERICS = [ROOT / "tests" / name for name in ("keras_resnets", "parity")]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Marks the tests of `keras_resnets` and of parity as numerical; those of `trainers` mark themselves."""
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in NUMERICS):
            item.add_marker(pytest.mark.numerics)


@pytest.fixture(autouse=True)
def fixed_seed(request):
    """Gives each test the same random numbers, whichever tests its worker has run before."""
    keras.utils.set_random_seed(0)
    if hasattr(request.module, "RANDOM"):
        request.module.RANDOM = np.random.default_rng(0)
    yield
    keras.backend.clear_session()  # It collects garbage.
    gc.freeze()  # What is left stays. Otherwise the next collections, which look at it, take a third of all time.


@pytest.fixture(autouse=True)
def no_process_is_left():
    """Ends the processes that a test has left."""
    yield
    processes.end_all()


@pytest.fixture
def in_new_process():
    """Returns the function that runs a program with arguments in a new Python, and returns the finished process."""

    def run(program, arguments=(), cwd=ROOT):
        command = [sys.executable, "-c", program, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT)

    return run


@pytest.fixture
def without_tensorflow(tmp_path):
    """Runs Python with a TensorFlow that cannot be imported; returns the finished process."""
    (tmp_path / "tensorflow.py").write_text("raise ImportError('TensorFlow has been imported')")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}

    def run(*arguments):
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)

    return run


@pytest.fixture(scope="session")
def warm_commands(tmp_path_factory):
    """Gives the process of `warm_commands.py`, and a folder for what its commands print."""
    program = [sys.executable, str(ROOT / "tests" / "support" / "warm_commands.py")]
    process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    yield process, tmp_path_factory.mktemp("printed")
    process.communicate()


@pytest.fixture
def run_command(warm_commands):
    """Returns the function that runs a module as a command in its own process, and returns the finished process."""
    process, folder = warm_commands

    def run(module, *arguments, cwd=ROOT):
        arguments = [str(argument) for argument in arguments]
        files = {name: str(folder / name) for name in ("stdout", "stderr")}
        request = {"module": module, "arguments": arguments, "cwd": str(cwd), **files}
        print(json.dumps(request), file=process.stdin, flush=True)
        status = int(process.stdout.readline())
        printed = {name: pathlib.Path(file).read_text() for name, file in files.items()}
        return subprocess.CompletedProcess([module, *arguments], status, **printed)

    return run


@pytest.fixture
def without_weights():
    """Builds a test's models without the values of their weights: drawing these takes most of the time."""
    with keras.StatelessScope(initialize_variables=False):
        yield


@pytest.fixture
def randomize():
    """Returns the function that gives a model random weights and statistics, gammas of both signs, and returns it."""

    def run(model, seed=0):
        random = np.random.default_rng(seed)
        for layer in model.layers:
            values = layer.get_weights()
            if isinstance(layer, keras.layers.BatchNormalization):
                shape = values[0].shape
                gamma = random.uniform(0.5, 1.0, shape) * np.where(np.arange(shape[0]) % 7 == 0, -1, 1)
                values = [gamma, *random.normal(0, 0.1, (2, *shape)), random.uniform(0.5, 1.5, shape)]
                values = values if layer.scale else values[1:]
            elif values:
                fan_in = np.prod(values[0].shape[:-1])
                values = [random.normal(0, (2.4 / fan_in) ** 0.5, values[0].shape), *values[1:]]
                values[1:] = [random.normal(0, 0.1, bias.shape) for bias in values[1:]]
            layer.set_weights(values)
        return model

    return run
