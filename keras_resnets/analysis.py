"""Measurements inside of a net: responses of layers, gradients by depth, and the sum rule of identity shortcuts.

"Deep Residual Learning for Image Recognition" (He et al., 2015; arXiv 1512.03385, section 4.2, figure 7) and "Identity
Mappings in Deep Residual Networks" (He et al., 2016; arXiv 1603.05027, section 2).

Shapes: B batch, H and W map size; images are (B, H, W, 3), normalized as the net expects, float32. Models are
functional, without models inside of them, as the builders of `keras_resnets` make them. Other models, and images that
do not fit, raise ArgumentError (a ValueError).
"""

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from keras_resnets.deprecation import moved_names
from keras_resnets.errors import ArgumentError
from keras_resnets.surgery.graph import check_flat, stage_outputs

LARGEST_BATCH = 50  # images that are computed at once, with the maps of all layers in memory


def layer_responses(model: keras.Model, images: ArrayLike) -> dict[str, float]:
    """Measures how strongly the 3x3 convolutions respond (arXiv 1512.03385, figure 7).

    A response is a convolution's output after batch normalization (with moving statistics), and before the ReLU or the
    addition that follows. If the next layer is not batch normalization, as at the end of a pre-activation unit and
    before the first one, the response is the convolution's own output.

    Args:
        model: a residual or plain net.
        images: (B, H, W, 3).

    Returns:
        A dict from the convolutions' names, from the input to the output, to the standard deviations of their
        responses: 6n+1 of them for a CIFAR net of depth 6n+2.

    Raises:
        ArgumentError: (a ValueError) for a model without 3x3 convolutions.
    """
    images = np.asarray(images)
    _check(model, images)
    convolutions = [layer for layer in _convolutions(model) if layer.kernel_size == (3, 3)]
    if not convolutions:
        raise ArgumentError(f"model {model.name} has no 3x3 convolution, whose response could be measured.")
    normalized = {
        id(layer.input): layer.output for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)
    }
    responses = keras.Model(model.input, [normalized.get(id(layer.output), layer.output) for layer in convolutions])

    @tf.function(input_signature=[tf.TensorSpec([None, *np.shape(images)[1:]])])
    def moments(batch):
        maps = [tf.cast(response, tf.float64) for response in tf.nest.flatten(responses(batch, training=False))]
        return tf.stack([[tf.reduce_mean(one), tf.reduce_mean(one**2)] for one in maps])

    sums = 0.0
    for batch in tf.data.Dataset.from_tensor_slices(tf.cast(images, tf.float32)).batch(LARGEST_BATCH):
        sums += moments(batch) * len(batch)
    mean, mean_of_squares = tf.unstack(sums / len(images), axis=1)
    deviations = tf.sqrt(tf.maximum(mean_of_squares - mean**2, 0)).numpy()
    return {layer.name: float(deviation) for layer, deviation in zip(convolutions, deviations)}


def gradient_norms(model: keras.Model, images: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Measures the gradients of a training step with respect to the kernels of the convolutions.

    Batch normalization uses the batch's statistics. The model stays as it is.

    Args:
        model: a net whose output is logits (B, classes).
        images: (B, H, W, 3).
        labels: (B,) integers.

    Returns:
        A dict from the convolutions' names, from the input to the output, to the Euclidean norms of the gradient of the
        mean cross entropy.
    """
    _check(model, images)
    groups = model.trainable_variables, model.non_trainable_variables
    values = {id(variable): tf.convert_to_tensor(variable) for group in groups for variable in group}
    kernels = {layer.name: values[id(layer.kernel)] for layer in _convolutions(model)}
    labels = tf.convert_to_tensor(labels)
    with tf.GradientTape() as tape:
        tape.watch(kernels)
        weights = [[values[id(variable)] for variable in group] for group in groups]
        logits = tf.cast(model.stateless_call(*weights, images, training=True)[0], tf.float32)
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))
    return {name: float(tf.norm(gradient)) for name, gradient in tape.gradient(loss, kernels).items()}


def sum_rule_deviations(model: keras.Model, images: ArrayLike) -> dict[str, float]:
    """Measures how well each stage obeys x_L = x_l + sum of F(x_i) (arXiv 1603.05027, equation 4).

    Here x_l is the first unit's shortcut, F(x_i) are the outputs of the branches, and x_L is the last unit's output.
    In nets with identity shortcuts and nothing after the additions, the deviations are rounding errors.

    Args:
        model: a residual net whose stages are called conv2, conv3, ...
        images: (B, H, W, 3).

    Returns:
        A dict from the stages' names to the largest absolute difference of the two sides, divided by the largest
        absolute value of x_L; empty for a net without shortcuts.

    Raises:
        ArgumentError: (a ValueError) for a net with additions outside of the stages that
            `keras_resnets.stage_outputs` knows.
    """
    _check(model, images)
    outputs = stage_outputs(model)
    stages: dict[str, list[keras.layers.Add]] = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.Add):
            stages.setdefault(layer.name.partition("_")[0], []).append(layer)
    unknown = [additions[0].name for stage, additions in stages.items() if f"{stage}_out" not in outputs]
    if unknown:
        raise ArgumentError(
            f"model {model.name} has the addition {unknown[0]}, which is in none of its stages: pass a residual net of "
            "this package."
        )
    deviations = {}
    for stage, additions in stages.items():
        shortcut, branch = additions[0].input
        branches = [branch, *(addition.input[1] for addition in additions[1:])]
        tensors = [shortcut, *branches, outputs[f"{stage}_out"]]
        start, *summands, end = keras.Model(model.input, tensors)(images, training=False)
        difference = tf.reduce_max(tf.abs(start + tf.add_n(summands) - end))
        deviations[stage] = float(tf.math.divide_no_nan(difference, tf.reduce_max(tf.abs(end))))
    return deviations


def _check(model, images):
    """Raises ArgumentError if a model is not functional and flat, or cannot take the images."""
    check_flat(model)
    shape, taken = np.shape(images), model.input_shape
    sides = zip(shape[1:], taken[1:])
    if len(shape) != len(taken) or shape[0] == 0 or any(side not in (None, given) for given, side in sides):
        raise ArgumentError(f"images of shape {shape} are not for model {model.name}: pass one or more of {taken[1:]}.")


def _convolutions(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


__getattr__ = moved_names(
    __name__, {"without_batch_normalization": "keras_resnets.surgery.without_batch_normalization"}
)
