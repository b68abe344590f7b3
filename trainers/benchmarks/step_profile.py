"""The profile of a training step by kind of operation."""

import collections
import functools
import math
import re
from collections.abc import Callable, Iterable

import keras
import tensorflow as tf

from trainers.benchmarks.settings import Settings
from trainers.benchmarks.steps import loop_step, noise
from trainers.benchmarks.trace import Operation, traced
from trainers.runtime.choices import EXPORT_PRECISIONS as PRECISIONS
from trainers.runtime.measuring import in_new_process

NETS = {"resnet50": (16, 224, 1000), "cifar_resnet20": (128, 32, 10)}  # batch size, side, classes
CAST = "cast"  # in whichever layer
# The kinds of operations in layers.
OF_LAYERS = {
    "convolution": (keras.layers.Conv2D, keras.layers.DepthwiseConv2D),
    "normalization": (keras.layers.BatchNormalization,),
    "activation": (keras.layers.Activation, keras.layers.ReLU),
    "addition": (keras.layers.Add,),
    "pooling": (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D, keras.layers.GlobalAveragePooling2D),
}
# The kinds of the others by their types. Gradients are added outside of layers.
OF_TYPES = {
    "convolution": r"(_Mkl\w*|_Fused)?(Depthwise)?Conv2D",
    "normalization": r"_?(Mkl\w*)?FusedBatchNorm",
    "activation": r"Relu",
    "addition": r"Add(N|V2)?$",
    "optimizer": r"ResourceApply|Assign\w*VariableOp",
    "pooling": r"(_Mkl\w*)?(Max|Avg)Pool",
}
OPTIMIZERS = ("sgd", "rmsprop", "adam")  # names of Keras's optimizers, the scopes of their operations
REST = "rest"


def step_profile(settings: Settings) -> dict:
    """Milliseconds of a training step of ResNet-50 (batch 16) and ResNet-20 (batch 128) by kind of operation.

    Operations that run at the same time count in full: the sum can be more than the step takes. `mb` are the bytes of
    their outputs, as far as these have a place in the step's own graph.
    """
    figures = {}
    for net in settings.rows:
        for precision, policy in PRECISIONS.items():
            profile = in_new_process(profiled_training, net, *NETS[net], policy, settings.repeats)
            figures |= {f"{net} {precision} {kind}": row for kind, row in profile.items()}
    return figures


def profiled_training(net: str, batch_size: int, side: int, classes: int, policy: str, steps: int) -> dict[str, dict]:
    """Returns the profile of the fastest of a net's training steps on random images: see `by_kind`."""
    dataset = noise(batch_size, side, classes)
    _, state, step = loop_step(net, batch_size, dataset, precision=policy)
    step()
    graph = step.func.get_concrete_function(*step.args).graph
    # Other processes disturb the fastest one least.
    fastest = min((traced(step).operations for _ in range(steps)), key=lambda found: sum(one.ms for one in found))
    kinds = functools.partial(kind, layers={layer.name: layer for layer in state.model.layers})
    return by_kind(fastest, kinds, output_bytes(graph))


def by_kind(
    operations: Iterable[Operation], kind: Callable[[Operation], str], sizes: dict[str, int]
) -> dict[str, dict]:
    """Sums operations up by kind, the slowest kind first.

    Args:
        operations: of a step.
        kind: of an operation.
        sizes: bytes of an operation's outputs, by its name.

    Returns:
        By kind, the milliseconds, their share of all kinds', the number of operations, and the megabytes of
        their outputs.
    """
    ms, counts, sums = collections.Counter(), collections.Counter(), collections.Counter()
    for operation in operations:
        name = kind(operation)
        ms[name] += operation.ms
        counts[name] += 1
        sums[name] += sizes.get(operation.name, 0) / 1e6
    total = sum(ms.values())
    return {
        name: {"ms": value, "share": value / total, "operations": counts[name], "mb": sums[name]}
        for name, value in ms.most_common()
    }


def kind(operation: Operation, layers: dict[str, keras.Layer]) -> str:
    """Returns the kind of an operation, for the layers of the net by name."""
    if operation.type == "Cast":
        return CAST
    # A scope is the layer's name and the number of its call; that of a gradient has the same one inside.
    scopes = [re.sub(r"_\d+$", "", scope) for scope in operation.name.split("/")]
    for name, classes in OF_LAYERS.items():
        if any(isinstance(layers.get(scope), classes) for scope in scopes):
            return name
    if scopes[0] in OPTIMIZERS:
        return "optimizer"
    return next((name for name, pattern in OF_TYPES.items() if re.match(pattern, operation.type)), REST)


def output_bytes(graph: tf.Graph) -> dict[str, int]:
    """Returns the bytes of all outputs of static shape of a graph's operations, by name."""
    return {operation.name: sum(map(_bytes, operation.outputs)) for operation in graph.get_operations()}


def _bytes(tensor):
    known = tensor.shape.is_fully_defined() and tensor.dtype.is_numpy_compatible and tensor.dtype != tf.resource
    return math.prod(tensor.shape) * tensor.dtype.size if known else 0
