"""SavedModels whose weights are constants of one graph, which TensorFlow Serving loads without any Python code.

Constants, because a session keeps the weights that are no variables in the layout that convolutions are computed in.
"""

import contextlib
import dataclasses
import fcntl
import logging
import os
import pathlib
import shutil
from collections.abc import Callable

import keras
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from keras_resnets.serving.versions import next_version

v1 = tf.compat.v1
PARTIAL = ".partial"  # a version that is being written: no number, so no server looks at it


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a SavedModel can be asked.

    Attributes:
        inputs: the `tf.TensorSpec`s of its inputs, with names.
        function: from tensors like these to a dict of tensors, the outputs.
    """

    inputs: tuple[tf.TensorSpec, ...]
    function: Callable


def publish(base, version, write):
    """Lets a version's folder appear under its name when it is complete, as TensorFlow Serving needs.

    Args:
        base: the folder of all versions.
        version: positive integer; None for the next free one.
        write: function that writes into an empty folder, whose path it is given.

    Returns:
        The path of the version's folder.

    Raises:
        ArgumentError: (a ValueError) if the version exists, or is not positive, or another export writes there.
    """
    base = pathlib.Path(base)
    base.mkdir(parents=True, exist_ok=True)
    with _locked(base):
        version = next_version(base) if version is None else version
        target, partial = base / str(version), base / PARTIAL
        if version < 1 or target.exists():
            raise ArgumentError(f"version={version} cannot be written: {target} exists, or is not positive.")
        shutil.rmtree(partial, ignore_errors=True)  # of an export that was killed
        try:
            partial.mkdir()
            write(partial)
            os.rename(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return target


@contextlib.contextmanager
def _locked(folder):
    """Keeps other processes out of a folder; the lock ends with the process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ArgumentError(f"{folder} is being written to by another export: wait for it.") from error
    finally:
        os.close(descriptor)


def write_saved_model(path, signatures, models):
    """Writes a SavedModel.

    Args:
        path: a new folder.
        signatures: dict of `Signature`s by their names.
        models: the Keras models that the functions call: their weights become constants, each of them once.
    """
    weights = [(variable, variable.numpy()) for model in models for variable in model.variables]
    with tf.Graph().as_default(), without_warnings():
        with keras.StatelessScope([(variable, tf.constant(value)) for variable, value in weights]):
            definitions = {name: _definition(name, signature) for name, signature in signatures.items()}
        with v1.Session() as session:
            builder = v1.saved_model.Builder(str(path))
            builder.add_meta_graph_and_variables(session, ["serve"], definitions, strip_default_attrs=True)
            builder.save()


def _definition(name, signature):
    placeholders = {
        spec.name: v1.placeholder(spec.dtype, spec.shape, name=f"{name}_{spec.name}") for spec in signature.inputs
    }
    outputs = signature.function(*placeholders.values())
    outputs = {key: tf.identity(value, f"{name}_{key}") for key, value in outputs.items()}
    return v1.saved_model.signature_def_utils.build_signature_def(
        inputs={key: v1.saved_model.build_tensor_info(placeholder) for key, placeholder in placeholders.items()},
        outputs={key: v1.saved_model.build_tensor_info(value) for key, value in outputs.items()},
        method_name="tensorflow/serving/predict",
    )


@contextlib.contextmanager
def without_warnings():
    """What reads and writes graphs without Python objects is called deprecated, in three lines, each time."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
