"""SavedModels for TensorFlow Serving, whose weights are constants of one graph.

A session converts constants once to the memory layout of its convolutions, but variables at every call.
"""

import contextlib
import dataclasses
import logging
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping

import keras
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from keras_resnets.file_lock import locked
from keras_resnets.serving.versions import next_version

v1 = tf.compat.v1
PARTIAL = ".partial"  # folder of a version that is being written; servers ignore it, since it is no number


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of a SavedModel.

    Attributes:
        inputs: named `tf.TensorSpec`s of its inputs.
        function: function from tensors of these specs to a dict of output tensors.
    """

    inputs: tuple[tf.TensorSpec, ...]
    function: Callable[..., dict[str, tf.Tensor]]


def publish(base: str | os.PathLike, version: int | None, write: Callable[[pathlib.Path], object]) -> pathlib.Path:
    """Writes a version's folder, which appears under its name only when it is complete, as TensorFlow Serving needs.

    Args:
        base: the folder of all versions.
        version: positive integer; None for the next free one.
        write: function of the path of an empty folder, which writes into it.

    Returns:
        The path of the version's folder.

    Raises:
        ArgumentError: (a ValueError) if the version exists, or is not positive, or another export writes there.
    """
    base = pathlib.Path(base)
    base.mkdir(parents=True, exist_ok=True)

    def refuse():
        raise ArgumentError(f"{base} is being written to by another export: wait for it.")

    with locked(base, on_wait=refuse):
        version = next_version(base) if version is None else version
        target, partial = base / str(version), base / PARTIAL
        if version < 1 or target.exists():
            raise ArgumentError(f"version={version} cannot be written: {target} exists, or is not positive.")
        shutil.rmtree(partial, ignore_errors=True)  # Left by an export that was killed.
        try:
            partial.mkdir()
            write(partial)
            os.rename(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return target


def write_saved_model(
    path: str | os.PathLike, signatures: Mapping[str, Signature], models: Iterable[keras.Model]
) -> None:
    """Writes a SavedModel.

    Args:
        path: a new folder.
        signatures: signatures by name.
        models: the Keras models that the functions call. Each of their weights becomes one constant.
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
def without_warnings() -> Iterator[None]:
    """Silences TensorFlow's logger, which calls the functions that read and write graphs deprecated at each call."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
