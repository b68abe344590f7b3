"""The fused batch normalization beside Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnets
from keras_resnets.layers import BatchNormalization

pytestmark = pytest.mark.numerics

# Of the results, in units of the largest value: rounding to 24, 8 and 11 bits.
TOLERANCES = {
    "float32": 1e-5,
    "mixed_bfloat16": 2**-7,
    "mixed_float16": 2**-10,
    "bfloat16": 2**-6,
    "float16": 2**-9,
    "float64": 1e-12,
}


def results_of(layer, images, training, jit_compile=False):
    """Returns the output of a layer, the gradients of a sum of it, and the moving statistics."""
    layer.build(images.shape)
    rng = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    factors = rng.normal(size=images.shape)

    @tf.function(jit_compile=jit_compile)
    def run(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images, training=training)
            loss = tf.reduce_sum(tf.cast(outputs, tf.float64) * factors)
        gradients = tape.gradient(loss, [images, *(weight.value for weight in layer.trainable_weights)])
        return [outputs, *gradients]

    return run(tf.cast(images, layer.compute_dtype)) + [weight.value for weight in layer.non_trainable_weights]


def assert_as_keras(images, dtype, training=True, jit_compile=False, trainable=True, **arguments):
    ours, keras_own = (
        results_of(kind(dtype=dtype, momentum=0.5, trainable=trainable, **arguments), images, training, jit_compile)
        for kind in (BatchNormalization, keras.layers.BatchNormalization)
    )
    for one, other in zip(ours, keras_own, strict=True):
        assert one.dtype == other.dtype
        one, other = tf.cast(one, tf.float64).numpy(), tf.cast(other, tf.float64).numpy()
        np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCES[dtype] * max(1, np.abs(other).max()))


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("shape", [(4, 5, 6, 7), (1, 1, 1, 3), (2, 1, 1, 16), (6, 3), (2, 3, 4, 5, 6)], ids=str)
def test_results_gradients_and_statistics_are_those_of_keras(dtype, shape):
    assert_as_keras(np.random.default_rng(0).normal(2, 3, shape), dtype)


@pytest.mark.parametrize(
    "arguments",
    [{"training": False}, {"trainable": False}, {"scale": False}, {"center": False}, {"axis": 1}, {"epsilon": 0.1}],
    ids=str,
)
def test_every_argument_means_what_it_means_in_keras(arguments):
    assert_as_keras(np.random.default_rng(0).normal(2, 3, (4, 5, 6, 7)), "float32", **arguments)


def test_xla_computes_the_same():
    assert_as_keras(np.random.default_rng(0).normal(2, 3, (4, 5, 6, 7)), "float32", jit_compile=True)


def test_a_large_mean_costs_no_precision():
    images = np.random.default_rng(0).normal(1000, 1, (8, 9, 9, 4)).astype(np.float32)
    layer = BatchNormalization(momentum=0.0)
    layer(images, training=True)
    np.testing.assert_allclose(layer.moving_variance, images.astype(np.float64).var((0, 1, 2)), rtol=1e-4)


def test_sizes_may_change_from_call_to_call():
    layer = BatchNormalization(momentum=0.0)
    layer.build((None, None, None, 2))
    call = tf.function(lambda x: layer(x, training=True), input_signature=[tf.TensorSpec((None, None, None, 2))])
    for size in (3, 5):
        images = np.random.default_rng(size).normal(size=(2, size, size, 2)).astype(np.float32)
        call(images)
        np.testing.assert_allclose(layer.moving_variance, images.var((0, 1, 2)), rtol=1e-5)


@pytest.mark.parametrize("name", ["cifar_resnet8", "resnet50_v2", "inception_v4", "bn_inception"])
def test_nets_have_the_fused_layer(name, without_weights):
    net = keras_resnets.create_model(name)
    layers = [layer for layer in net.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert layers and all(isinstance(layer, BatchNormalization) for layer in layers)


def test_a_saved_layer_is_loaded_as_the_same_class(tmp_path):
    image = keras.Input((4, 4, 2))
    net = keras.Model(image, BatchNormalization(momentum=0.7, name="bn")(image))
    net.save(tmp_path / "net.keras")
    layer = keras.saving.load_model(tmp_path / "net.keras").get_layer("bn")
    assert type(layer) is BatchNormalization and layer.momentum == 0.7
