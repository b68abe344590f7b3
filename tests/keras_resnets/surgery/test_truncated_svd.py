"""Truncated singular value decomposition of dense layers."""

import keras
import numpy as np
import pytest

from keras_resnets import ArgumentError
from keras_resnets.surgery.truncated_svd import truncated_svd

RANDOM = np.random.default_rng(0)


def head(inputs, units):
    """Returns fc6, fc7 and two siblings, as Fast R-CNN has them, with random biases."""
    x = features = keras.Input((inputs,))
    for name in ("fc6", "fc7"):
        x = keras.layers.Dense(units, "relu", bias_initializer="normal", name=name)(x)
        x = keras.layers.Dropout(0.5, name=f"{name}_dropout")(x)
    outputs = [keras.layers.Dense(n, bias_initializer="normal", name=name)(x) for name, n in (("a", 3), ("b", 12))]
    return keras.Model(features, outputs, name="head")


def kernel_size(model, name):
    return sum(int(np.prod(model.get_layer(layer).kernel.shape)) for layer in (f"{name}_svd", name))


def test_sizes_of_vgg16_are_the_papers():
    # Each side and rank is 1/64 of VGG-16's, so its layers have 64 * 64 times as many weights.
    model = head(25_088 // 64, 4096 // 64)
    assert model.get_layer("fc6").kernel.shape == (392, 64)
    small = truncated_svd(model, {"fc6": 1024 // 64, "fc7": 256 // 64})
    assert kernel_size(small, "fc6") * 64**2 == 29_884_416
    assert kernel_size(small, "fc7") * 64**2 == 2_097_152
    assert small.count_params() == kernel_size(small, "fc6") + kernel_size(small, "fc7") + 64 * 2 + 65 * 15


def test_full_rank_gives_the_same_outputs_and_leaves_the_model_alone():
    model, x = head(20, 12), RANDOM.normal(size=(5, 20)).astype("float32")
    before, weights = model.predict_on_batch(x), model.get_weights()
    full = truncated_svd(model, {"fc6": 12, "fc7": 12, "b": 12})
    for output, expected in zip(full.predict_on_batch(x), before):
        np.testing.assert_allclose(output, expected, rtol=0, atol=1e-4)
    for weight, old in zip(model.get_weights(), weights):
        np.testing.assert_array_equal(weight, old)
    assert [layer.name for layer in full.layers if layer.name.endswith("_svd")] == ["fc6_svd", "fc7_svd", "b_svd"]
    assert full.name == "head" and full.get_layer("fc6").output.shape == (None, 12)


def test_the_bias_and_the_activation_are_the_second_layers():
    small = truncated_svd(head(20, 12), {"fc6": 3})
    first, second = small.get_layer("fc6_svd"), small.get_layer("fc6")
    assert (first.activation, first.use_bias) == (keras.activations.linear, False)
    assert (second.activation, second.use_bias) == (keras.activations.relu, True)
    assert (first.kernel.shape, second.kernel.shape) == ((20, 3), (3, 12))


def test_the_error_of_a_linear_layer_is_the_norm_of_the_dropped_singular_values():
    features = keras.Input((9,))
    model = keras.Model(features, keras.layers.Dense(7, name="fc")(features))
    values = np.linalg.svd(model.get_layer("fc").kernel.numpy(), compute_uv=False)
    # Of the identity's rows a layer makes its weights.
    full = model.predict_on_batch(np.eye(9))
    errors = [np.linalg.norm(full - truncated_svd(model, {"fc": t}).predict_on_batch(np.eye(9))) for t in range(1, 8)]
    expected = [np.linalg.norm(values[t:]) for t in range(1, 8)]
    np.testing.assert_allclose(errors, expected, rtol=1e-4, atol=1e-5)
    assert all(np.diff(errors) < 0)


def test_a_layer_that_is_used_twice():
    first, second = keras.Input((6,)), keras.Input((6,))
    shared = keras.layers.Dense(5, "tanh", use_bias=False, name="fc", trainable=False, dtype="bfloat16")
    model = keras.Model([first, second], keras.layers.Subtract()([shared(first), shared(shared_input(second))]))
    small = truncated_svd(model, {"fc": 5})
    x = list(RANDOM.normal(size=(2, 4, 6)).astype("float32"))
    # Outputs are differences of two tanh, and bfloat16 has a precision of 1/256 at 1.
    expected = model.predict_on_batch(x)
    assert np.max(np.abs(expected)) > 1
    np.testing.assert_allclose(small.predict_on_batch(x), expected, rtol=0, atol=4 / 256)
    assert not small.trainable_weights and small.get_layer("fc_svd").kernel.dtype == "bfloat16"


def shared_input(x):
    return keras.layers.Rescaling(2.0)(x)


@pytest.mark.parametrize(
    "ranks, message",
    [
        ({"fc8": 2}, "'fc8': 2, which is unknown: use fc6, fc7, a, b"),
        ({"fc6_dropout": 2}, "'fc6_dropout': 2, which is a Dropout"),
        ({"fc6": 0}, "0 for 'fc6': it must be an integer from 1 to 4"),
        ({"fc6": 2, "fc7": 5}, "5 for 'fc7': it must be an integer from 1 to 4"),
        ({"a": 1.5}, "1.5 for 'a': it must be an integer from 1 to 3"),
    ],
)
def test_impossible_ranks(ranks, message):
    with pytest.raises(ArgumentError, match=message):
        truncated_svd(head(6, 4), ranks)


def test_impossible_models():
    with pytest.raises(ArgumentError, match="truncated before"):
        truncated_svd(truncated_svd(head(6, 4), {"fc6": 2}), {"fc6": 1})
    with pytest.raises(ArgumentError, match="model=line is not functional"):
        truncated_svd(keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)], name="line"), {})
