"""Nets without batch normalization; `test_analysis.py` has nets of this package."""

import keras
import numpy as np

from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.surgery import without_batch_normalization


def test_layers_with_several_inputs_stay():
    image = keras.Input((4, 4, 3))
    x = keras.layers.BatchNormalization(name="bn")(image)
    x = keras.layers.MultiHeadAttention(1, 2)(x, x) + keras.layers.Conv2D(3, 1)(x)
    net = keras.Model(image, x)
    bare = without_batch_normalization(net)
    assert isinstance(bare.get_layer("bn"), keras.layers.Identity)
    bare.set_weights([w for layer in net.layers if layer.name != "bn" for w in getattr(layer, "get_weights", list)()])
    net.get_layer("bn").moving_variance.assign(3 * [1 - net.get_layer("bn").epsilon])
    images = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype("float32")
    np.testing.assert_allclose(bare(images), net(images), rtol=1e-5, atol=1e-6)


def test_the_precision_stays():
    with dtype_policy_scope("mixed_bfloat16"):
        image = keras.Input((4, 4, 3))
        net = keras.Model(image, keras.layers.BatchNormalization()(image))
    assert without_batch_normalization(net).output.dtype == net.output.dtype == "bfloat16"
