"""Maps that the backward pass computes again instead of keeping them in memory, where that is cheap.

They are activations and sums of batch normalizations. The input of a batch normalization is kept, since its gradient
needs it: in a residual net, the output of a convolution or, before pre-activation, the sum of units. So of the two maps
of a convolution, its input and its output, one stays in memory. After addition, every second sum stays as well: a sum
is computed again from its shortcut, not from all units below. (Rota Bulo et al., arXiv 1712.02616, have the same aim.)
"""

import weakref

import tensorflow as tf

from keras_resnets.layers.batch_normalization import bias_of_variance

_graphs = weakref.WeakKeyDictionary()  # graph of a backward pass -> `_Maps`


def computed_again(tensor: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """Returns a map of the forward pass for the backward pass.

    Args:
        tensor: of the forward pass, in a graph.
        gradient: a gradient that the backward pass computes before it needs the map.

    Returns:
        The map, computed again as soon as the gradient is there if that is cheap, or else `tensor` itself.
    """
    maps = _graphs.setdefault(gradient.graph, _Maps())
    if not maps.is_cheap(tensor):
        return tensor
    with tf.control_dependencies([gradient]):
        return maps.compute(tensor)


class _Maps:
    """What is known of maps of the forward pass, by the names of tensors."""

    def __init__(self):
        self._cheap, self._computed = {}, {}

    def is_cheap(self, tensor):
        if tensor.name not in self._cheap:
            self._cheap[tensor.name] = self._can_be_computed(tensor)
        return self._cheap[tensor.name]

    def compute(self, tensor):
        """Returns a tensor, computed again once if it is cheap."""
        if not self.is_cheap(tensor):
            return tensor
        if tensor.name not in self._computed:
            operation = tensor.op
            inputs = operation.inputs
            if operation.type == "FusedBatchNormV3":
                again = _normalized(operation)
            elif operation.type == "Relu":
                again = tf.nn.relu(self.compute(inputs[0]))
            elif operation.type == "AddV2":
                again = self.compute(inputs[0]) + self.compute(inputs[1])
            elif operation.type == "ConcatV2":
                again = tf.concat([self.compute(x) for x in inputs[:-1]], inputs[-1])
            else:
                again = tf.raw_ops.Pad(input=self.compute(inputs[0]), paddings=inputs[1])
            self._computed[tensor.name] = again
        return self._computed[tensor.name]

    def _can_be_computed(self, tensor):
        operation = tensor.op
        if operation.type == "FusedBatchNormV3":
            return operation.get_attr("is_training") and tensor is operation.outputs[0]
        if operation.type == "Relu":
            return self.is_cheap(operation.inputs[0])
        if operation.type == "AddV2":
            return all(x.op.type == "FusedBatchNormV3" or self._is_kept(x) for x in operation.inputs)
        if operation.type == "ConcatV2":
            return all(self.is_cheap(x) or self._is_kept(x) for x in operation.inputs[:-1])
        return operation.type == "Pad" and (self.is_cheap(operation.inputs[0]) or self._is_kept(operation.inputs[0]))

    def _is_kept(self, tensor):
        """Whether the backward pass finds a map in memory in any case.

        The gradient of an activation needs its output. A placeholder is the input of a function.
        """
        return tensor.op.type == "Placeholder" or (tensor.op.type == "Relu" and not self.is_cheap(tensor))


def _normalized(operation):
    """Returns the output of a batch normalization with the statistics that it has computed."""
    inputs, scale, offset, *_ = operation.inputs
    _, mean, variance, *_ = operation.outputs
    return tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=scale,
        offset=offset,
        mean=mean,
        variance=variance * bias_of_variance(inputs),
        epsilon=operation.get_attr("epsilon"),
        data_format=operation.get_attr("data_format"),
        is_training=False,
    ).y
