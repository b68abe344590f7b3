"""Gradients of a training step: those of `tf.GradientTape`, in less memory and time.

Maps that are cheap to recompute are not saved for the backward pass: see `trainers.engine.recomputation`. The
gradient of a 1x1 kernel is a matrix product: oneDNN's convolution takes up to 1.7 times as long.
"""

import contextlib
from collections.abc import Callable, Sequence

import tensorflow as tf

from trainers.engine.recomputation import recomputed

OVERRIDES = {}  # type of an operation -> the name of its gradient's function in this module


def value_and_gradients(
    function: Callable[[], tuple], variables: Sequence[tf.Variable]
) -> tuple[tuple, list[tf.Tensor]]:
    """Calls a function in the graph of a `tf.function`, and returns its results and gradients.

    Args:
        function: of no arguments; it returns a loss, a scalar tensor, and anything else.
        variables: the gradients are with respect to these.

    Returns:
        The function's results, and the gradients, tensors of the variables' shapes and types; zeros where the loss does
        not depend on a variable.

    Raises:
        RuntimeError: outside of a graph.
    """
    with own_gradients():
        results = function()
    handles = [tf.convert_to_tensor(variable.handle) for variable in variables]  # as this graph knows them
    gradients = tf.gradients(results[0], handles)
    return results, [
        tf.zeros_like(variable) if gradient is None else tf.convert_to_tensor(gradient)
        for variable, gradient in zip(variables, gradients)
    ]


def own_gradients() -> contextlib.AbstractContextManager:
    """Returns a context in which a graph's operations get the gradients of this module.

    Replicas share a graph, and may leave their contexts in another order than they entered them: then some operations
    have TensorFlow's own gradients, which are the same.
    """
    return tf.compat.v1.get_default_graph().gradient_override_map(OVERRIDES)


def _overrides(operation_type):
    """Registers a function of an operation, and of the gradient by its output, as the gradient of the type."""
    OVERRIDES[operation_type] = f"keras_resnets>{operation_type}"
    return tf.RegisterGradient(OVERRIDES[operation_type])


@_overrides("Relu")
def _relu_gradient(operation, gradient):
    return tf.raw_ops.ReluGrad(gradients=gradient, features=recomputed(operation.outputs[0], gradient))


@_overrides("MaxPool")
def _max_pooling_gradient(operation, gradient):
    attributes = _attributes(operation, "ksize", "strides", "padding", "explicit_paddings", "data_format")
    (inputs,), (outputs,) = operation.inputs, operation.outputs
    again = recomputed(inputs, gradient)
    if again is not inputs:
        # Kernels look for the outputs among the inputs: a map that differs by rounding would have none of them.
        outputs = tf.raw_ops.MaxPool(input=again, **attributes)
    return tf.raw_ops.MaxPoolGrad(orig_input=again, orig_output=outputs, grad=gradient, **attributes)


@_overrides("AvgPool")
def _average_pooling_gradient(operation, gradient):
    inputs, attributes = operation.inputs[0], _attributes(operation, "ksize", "strides", "padding", "data_format")
    _, height, width, channels = inputs.shape
    takes_pixels = attributes["ksize"] == [1, 1, 1, 1] and attributes["strides"] == [1, 2, 2, 1]
    if not takes_pixels or attributes["data_format"] != b"NHWC" or None in (height, width) or height % 2 or width % 2:
        return tf.raw_ops.AvgPoolGrad(orig_input_shape=tf.shape(inputs), grad=gradient, **attributes)
    # Every second pixel: zeros between them come quicker as a second half of the channels, and of the rows.
    pixels = tf.reshape(gradient, [-1, 1, width // 2, channels])
    return tf.reshape(tf.pad(pixels, [[0, 0], [0, 1], [0, 0], [0, channels]]), tf.shape(inputs))


@_overrides("Conv2D")
def _convolution_gradients(operation, gradient):
    inputs, kernel = operation.inputs
    again = recomputed(inputs, gradient)
    attributes = _attributes(operation, "strides", "padding", "explicit_paddings", "data_format", "dilations")
    by_inputs = tf.raw_ops.Conv2DBackpropInput(
        input_sizes=tf.shape(inputs), filter=kernel, out_backprop=gradient, **attributes
    )
    if _is_matrix_product(operation):
        rows, columns = (tf.reshape(maps, [-1, maps.shape[-1]]) for maps in (again, gradient))
        return by_inputs, tf.reshape(tf.matmul(rows, columns, transpose_a=True), kernel.shape)
    return by_inputs, tf.raw_ops.Conv2DBackpropFilter(
        input=again, filter_sizes=kernel.shape, out_backprop=gradient, **attributes
    )


def _attributes(operation, *names):
    return {name: operation.get_attr(name) for name in names}


def _is_matrix_product(convolution):
    """Whether a convolution has a 1x1 kernel, no strides, no padding and no groups."""
    inputs, kernel = convolution.inputs
    return (
        kernel.shape[:2] == [1, 1]
        and kernel.shape[2] == inputs.shape[-1]
        and set(convolution.get_attr("strides")) == {1}
        and convolution.get_attr("padding") != b"EXPLICIT"
        and convolution.get_attr("data_format") == b"NHWC"
    )
