"""Gradients of a training step: those of `tf.GradientTape`, in less memory and time.

Maps that are cheap to compute again are not kept for the backward pass: see `trainers.engine.recomputation`. The
gradient of a 1x1 kernel is a matrix product: oneDNN's convolution takes up to 1.7 times as long.
"""

import contextlib
from collections.abc import Callable, Sequence

import tensorflow as tf

from trainers.engine.recomputation import computed_again

OVERRIDES = {}  # type of an operation -> the name of its gradient's function in this module


def value_and_gradients(
    function: Callable[[], tuple], variables: Sequence[tf.Variable]
) -> tuple[tuple, list[tf.Tensor]]:
    """Calls a function in the graph of a `tf.function`, and returns its results and gradients.

    Args:
        function: of no arguments; it returns a loss, a scalar tensor, and anything else.
        variables: the gradients are by these.

    Returns:
        The function's results, and the gradients, tensors of the variables' shapes and types.
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
    """Returns a context in which a graph's operations get the gradients of this module."""
    return tf.compat.v1.get_default_graph().gradient_override_map(OVERRIDES)


def _overrides(operation_type):
    """Registers a function of an operation, and of the gradient by its output, as the gradient of the type."""
    OVERRIDES[operation_type] = f"keras_resnets>{operation_type}"
    return tf.RegisterGradient(OVERRIDES[operation_type])


@_overrides("Relu")
def _relu_gradient(operation, gradient):
    return tf.raw_ops.ReluGrad(gradients=gradient, features=computed_again(operation.outputs[0], gradient))


@_overrides("MaxPool")
def _max_pooling_gradient(operation, gradient):
    return tf.raw_ops.MaxPoolGrad(
        orig_input=computed_again(operation.inputs[0], gradient),
        orig_output=operation.outputs[0],
        grad=gradient,
        **_attributes(operation, "ksize", "strides", "padding", "explicit_paddings", "data_format"),
    )


@_overrides("AvgPool")
def _average_pooling_gradient(operation, gradient):
    inputs, attributes = operation.inputs[0], _attributes(operation, "ksize", "strides", "padding", "data_format")
    _, height, width, channels = inputs.shape
    _, rows, columns, _ = gradient.shape
    if set(attributes["ksize"]) != {1} or (height, width) != (2 * rows, 2 * columns):
        return tf.raw_ops.AvgPoolGrad(orig_input_shape=tf.shape(inputs), grad=gradient, **attributes)
    # Every second pixel: zeros between them come quicker as a second half of the channels, and of the rows.
    pixels = tf.reshape(gradient, [-1, 1, columns, channels])
    return tf.reshape(tf.pad(pixels, [[0, 0], [0, 1], [0, 0], [0, channels]]), tf.shape(inputs))


@_overrides("Conv2D")
def _convolution_gradients(operation, gradient):
    inputs, kernel = operation.inputs
    again = computed_again(inputs, gradient)
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
    """Whether a convolution has a 1x1 kernel, no strides and no groups."""
    inputs, kernel = convolution.inputs
    return (
        kernel.shape[:2] == [1, 1]
        and kernel.shape[2] == inputs.shape[-1]
        and set(convolution.get_attr("strides")) == {1}
        and convolution.get_attr("data_format") == b"NHWC"
    )
