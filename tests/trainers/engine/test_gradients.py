"""Gradients in less memory, beside those of `tf.GradientTape`."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnets
from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.layers import BatchNormalization
from trainers.engine.gradients import value_and_gradients

pytestmark = pytest.mark.numerics


def concatenation():
    """Two branches that are concatenated, and maximum pooling, as in Inception nets."""
    image = keras.Input((16, 16, 3))
    branches = []
    for kernel_size in (1, 3):
        x = keras.layers.Conv2D(4, kernel_size, padding="same", use_bias=False)(image)
        branches.append(keras.layers.ReLU()(BatchNormalization()(x)))
    x = keras.layers.MaxPooling2D(3, 2, "same")(keras.layers.Concatenate()(branches))
    x = keras.layers.Conv2D(5, 3, strides=2)(keras.layers.ZeroPadding2D()(x))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


NETS = {
    "projections": lambda: keras_resnets.ResNet([2, 2], [4, 6], bottleneck=True, classes=3, input_shape=(32, 32, 3)),
    "zero padding": lambda: keras_resnets.CifarResNet(8),
    "pre-activation": lambda: keras_resnets.CifarResNetV2(11, bottleneck=True),
    "ReLU before addition": lambda: keras_resnets.CifarResNet(8, activation_order="relu_before_addition"),
    "gates": lambda: keras_resnets.CifarResNet(8, shortcut="exclusive_gating"),
    "plain": lambda: keras_resnets.CifarPlainNet(8),
    "maximum pooling": lambda: keras_resnets.VGG16(
        width=0.05, include_top=False, pooling="avg", input_shape=(32, 32, 3)
    ),
    "concatenation": concatenation,
}


def loss_of(net, images):
    outputs = net(images, training=True)
    return tf.reduce_sum(outputs * tf.cast(tf.range(outputs.shape[-1]), outputs.dtype))


def gradients_of(net, images, by_tape, jit_compile=False):
    weights = [weight.value for weight in net.trainable_weights]

    @tf.function(jit_compile=jit_compile)
    def run():
        if by_tape:
            with tf.GradientTape() as tape:
                loss = loss_of(net, images)
            return loss, tape.gradient(loss, weights)
        (loss,), gradients = value_and_gradients(lambda: (loss_of(net, images),), weights)
        return loss, gradients

    return tf.nest.map_structure(lambda tensor: tensor.numpy(), run())


def assert_same_gradients(net, images, tolerance, jit_compile=False):
    (expected_loss, expected), (loss, gradients) = (
        gradients_of(net, images, by_tape, jit_compile) for by_tape in (True, False)
    )
    np.testing.assert_allclose(loss, expected_loss, rtol=tolerance)
    largest = max(np.abs(gradient).max() for gradient in expected)
    for gradient, other in zip(gradients, expected, strict=True):
        # The gradient of a bias before batch normalization is 0 but for rounding.
        scale = max(np.abs(other).max(), 1e-3 * largest)
        np.testing.assert_allclose(gradient, other, rtol=0, atol=tolerance * scale)


def images_for(net, dtype="float32"):
    return tf.random.stateless_uniform((4, *net.input_shape[1:]), (1, 2), dtype=dtype)


@pytest.mark.parametrize("name", NETS)
def test_gradients_are_those_of_the_tape(name):
    keras.utils.set_random_seed(0)
    net = NETS[name]()
    assert_same_gradients(net, images_for(net), 1e-3)


def test_gradients_of_16_bits_are_as_exact_as_those_of_the_tape():
    """Without oneDNN, TensorFlow's convolutions add up in 16 bits, and a matrix product is more exact."""
    nets = {}
    for policy in ("mixed_bfloat16", "float64"):
        keras.utils.set_random_seed(0)
        with dtype_policy_scope(policy):
            nets[policy] = concatenation()
    nets["float64"].set_weights(nets["mixed_bfloat16"].get_weights())
    images = images_for(nets["float64"], "float64")
    _, exact = gradients_of(nets["float64"], images, by_tape=True)
    (_, tape), (_, ours) = (
        gradients_of(nets["mixed_bfloat16"], tf.cast(images, tf.float32), by_tape) for by_tape in (True, False)
    )
    for gradient, other, truth in zip(ours, tape, exact, strict=True):
        error, bound = (np.std(values - truth) / np.abs(truth).max() for values in (gradient, other))
        assert error <= bound + 2**-7


def test_frozen_layers_and_images_of_any_size():
    keras.utils.set_random_seed(0)
    net = keras_resnets.CifarResNet(8, input_shape=(None, None, 3))
    for layer in net.layers[:8]:
        layer.trainable = False
    assert_same_gradients(net, tf.random.stateless_uniform((2, 33, 30, 3), (1, 2)), 1e-3)


def test_convolutions_and_poolings_of_every_kind():
    image = keras.Input((9, 9, 4))
    x = keras.layers.Conv2D(6, 1, padding="same", groups=2)(image)
    x = keras.layers.Conv2D(6, 3, dilation_rate=2, activation="relu")(x)
    x = keras.layers.AveragePooling2D(1, 3)(keras.layers.AveragePooling2D(2, 1)(x))
    x = keras.layers.Conv2D(3, 1, data_format="channels_last")(x)
    assert_same_gradients(keras.Model(image, keras.layers.Flatten()(x)), images_for(keras.Model(image, x)), 1e-5)


@pytest.mark.parametrize("name", ["projections", "concatenation"])
def test_gradients_are_exact_in_float64(name):
    keras.utils.set_random_seed(0)
    with dtype_policy_scope("float64"):
        net = NETS[name]()
    assert_same_gradients(net, images_for(net, "float64"), 1e-12)


@pytest.mark.slow
def test_xla_computes_the_same():
    keras.utils.set_random_seed(0)
    net = keras_resnets.ResNet([2], [4], bottleneck=True, classes=3, input_shape=(32, 32, 3))
    assert_same_gradients(net, images_for(net), 1e-3, jit_compile=True)


def test_a_graph_is_freed():
    net = NETS["plain"]()
    weights, images = [weight.value for weight in net.trainable_weights], images_for(net)

    @tf.function
    def run():
        return value_and_gradients(lambda: (loss_of(net, images),), weights)

    graph = weakref.ref(run.get_concrete_function().graph)
    del run
    gc.collect()
    assert graph() is None


def test_a_weight_that_the_loss_does_not_depend_on_has_a_gradient_of_zeros():
    used, unused = tf.Variable([2.0, 3.0]), tf.Variable([[1.0]])

    @tf.function
    def run():
        return value_and_gradients(lambda: (tf.reduce_sum(used**2), "another"), [used, unused])

    (loss, another), gradients = run()
    assert (loss.numpy(), another.numpy()) == (13.0, b"another")
    np.testing.assert_array_equal(gradients[0], [4, 6])
    np.testing.assert_array_equal(gradients[1], [[0]])


def kept_activations(net, by_tape):
    """Returns how many outputs of ReLUs the backward pass takes from the forward pass."""
    images, weights = images_for(net), [weight.value for weight in net.trainable_weights]

    @tf.function
    def run():
        marks = []

        def forward():
            loss = loss_of(net, images)
            marks.extend(tf.compat.v1.get_default_graph().get_operations())
            return (loss,)

        if by_tape:
            with tf.GradientTape() as tape:
                (loss,) = forward()
            gradients = tape.gradient(loss, weights)
        else:
            _, gradients = value_and_gradients(forward, weights)
        before = set(marks)
        kept.extend(
            operation
            for operation in marks
            if operation.type == "Relu" and any(user not in before for user in operation.outputs[0].consumers())
        )
        return gradients

    kept = []
    run.get_concrete_function()
    return len(kept)


# The last sum of each net is needed by no convolution, but by its ReLU's gradient.
@pytest.mark.parametrize(("name", "by_tape", "ours"), [("projections", 13, 2), ("pre-activation", 10, 0)])
def test_activations_of_kept_maps_are_not_kept(name, by_tape, ours):
    assert kept_activations(NETS[name](), by_tape=True) == by_tape
    assert kept_activations(NETS[name](), by_tape=False) == ours
