"""Maps that the backward pass recomputes instead of saving them, where that is cheap.

They are activations and sums of batch normalizations. The input of a batch normalization is saved, since its gradient
needs it: in a residual net, the output of a convolution or, before pre-activation, the sum of units. So of the two maps
of a convolution, its input and its output, one is saved. After addition, every second sum is saved as well: a sum is
recomputed from its shortcut, not from all units below. (Rota Bulo et al., arXiv 1712.02616, have the same aim.)
"""

import tensorflow as tf

from keras_resnets.layers.batch_normalization import biased_over_unbiased_variance

COLLECTION = "keras_resnets_recomputation"  # of the graph of a backward pass: its `_Maps`


def recomputed(tensor: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """Returns a map of the forward pass for the backward pass.

    Args:
        tensor: of the forward pass, in a graph.
        gradient: a gradient that the backward pass computes before it needs the map.

    Returns:
        The map, recomputed as soon as the gradient is there if that is cheap, or else `tensor` itself.
    """
    collection = gradient.graph.get_collection_ref(COLLECTION)
    if not collection:
        collection.append(_Maps())
    (maps,) = collection
    with tf.control_dependencies([gradient]):
        return maps.recomputed(tensor)


class _Maps:
    """What is known of maps of the forward pass, by the references of tensors."""

    def __init__(self):
        self._cheap, self._recomputed = {}, {}

    def recomputed(self, tensor):
        """Returns a tensor, recomputed once if it is cheap."""
        if not self._is_cheap(tensor):
            return tensor
        if tensor.ref() not in self._recomputed:
            self._recomputed[tensor.ref()] = self._recompute(tensor.op)
        return self._recomputed[tensor.ref()]

    def _recompute(self, operation):
        inputs = operation.inputs
        if operation.type == "FusedBatchNormV3":
            return _normalized(operation)
        if operation.type == "Relu":
            return tf.nn.relu(self.recomputed(inputs[0]))
        if operation.type == "AddV2":
            return self.recomputed(inputs[0]) + self.recomputed(inputs[1])
        if operation.type == "ConcatV2":
            return tf.concat([self.recomputed(x) for x in inputs[:-1]], inputs[-1])
        return tf.raw_ops.Pad(input=self.recomputed(inputs[0]), paddings=inputs[1])

    def _is_cheap(self, tensor):
        if tensor.ref() not in self._cheap:
            self._cheap[tensor.ref()] = self._can_be_recomputed(tensor)
        return self._cheap[tensor.ref()]

    def _can_be_recomputed(self, tensor):
        operation = tensor.op
        if operation.type == "FusedBatchNormV3":
            return tensor is operation.outputs[0] and _has_its_statistics(operation)
        if operation.type == "Relu":
            return self._is_cheap(operation.inputs[0])
        if operation.type == "AddV2":
            return all(
                self._is_cheap(x) if x.op.type == "FusedBatchNormV3" else self._is_saved(x) for x in operation.inputs
            )
        if operation.type == "ConcatV2":
            return all(self._is_cheap(x) or self._is_saved(x) for x in operation.inputs[:-1])
        return operation.type == "Pad" and (self._is_cheap(operation.inputs[0]) or self._is_saved(operation.inputs[0]))

    def _is_saved(self, tensor):
        """Whether the backward pass keeps this map anyway.

        The gradient of an activation needs its output. A placeholder is the input of a function.
        """
        return tensor.op.type == "Placeholder" or (tensor.op.type == "Relu" and not self._is_cheap(tensor))


def _has_its_statistics(operation):
    """Whether a batch normalization returns the statistics that it has normalized with."""
    return (
        operation.get_attr("is_training")
        and operation.get_attr("exponential_avg_factor") == 1
        and operation.get_attr("data_format") == b"NHWC"
    )


def _normalized(operation):
    """Returns the output of a batch normalization from its input and statistics."""
    inputs, scale, offset, *_ = operation.inputs
    _, mean, variance, *_ = operation.outputs
    return tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=scale,
        offset=offset,
        mean=mean,
        variance=variance * biased_over_unbiased_variance(inputs),
        epsilon=operation.get_attr("epsilon"),
        is_training=False,
    ).y
