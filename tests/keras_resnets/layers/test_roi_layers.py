"""RoI pooling and RoI align against torchvision 0.29.1, whose outputs and gradients are stored in `references`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from torch_tensors import REFERENCES

from keras_resnets import ArgumentError
from keras_resnets.layers import RoIAlign, RoIPooling


def batched(reference):
    """Returns regions (B, R, 4) and a cotangent (B, R, P, P, C) of a reference, and where its rows went."""
    images, rois = reference["batch_indices"], reference["rois"]
    places = np.array([np.sum(images[:i] == image) for i, image in enumerate(images)])
    regions = np.zeros((len(reference["features"]), places.max() + 1, 4), "float32")
    cotangent = np.zeros((*regions.shape[:2], *reference["cotangent"].shape[1:]), "float32")
    regions[images, places], cotangent[images, places] = rois, reference["cotangent"]
    return regions, cotangent, (images, places)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("letter", "abcde")
@pytest.mark.parametrize(
    "name, make, tolerance, gradient_tolerance",
    [
        ("pool", RoIPooling, 0, 1e-5),
        ("align_s2", RoIAlign, 1e-4, 1e-4),
        ("align_legacy_s2", lambda *a: RoIAlign(*a, aligned=False), 1e-4, 1e-4),
    ],
)
def test_outputs_and_gradients(name, make, tolerance, gradient_tolerance, letter, jit_compile):
    reference = np.load(REFERENCES / f"roi_ops_{letter}.npz")
    layer = make(int(reference["pool_size"]), float(reference["stride"]))
    rois, cotangent, where = batched(reference)

    @tf.function(jit_compile=jit_compile)
    def run(features):
        with tf.GradientTape() as tape:
            tape.watch(features)
            pooled = layer(features, rois)
            total = tf.reduce_sum(pooled * cotangent)
        return pooled, tape.gradient(total, features)

    pooled, gradient = run(tf.constant(reference["features"]))
    np.testing.assert_allclose(pooled.numpy()[where], reference[name], rtol=0, atol=tolerance)
    np.testing.assert_allclose(gradient, reference[f"{name}_grad"], rtol=0, atol=gradient_tolerance)


def test_regions_keep_their_precision_inside_of_mixed_precision():
    features = np.random.default_rng(0).normal(size=(1, 64, 70, 2)).astype("float32")
    rois = np.array([[[1003.0, 517.0, 1079.0, 609.0]]], "float32")  # bfloat16 would make 1003 a thousand
    exact = RoIPooling(3, 16)(features, rois)
    half = RoIPooling(3, 16, dtype="mixed_bfloat16")(tf.cast(features, "bfloat16"), rois)
    assert half.dtype == "bfloat16"
    np.testing.assert_array_equal(tf.cast(half, "float32"), tf.cast(tf.cast(exact, "bfloat16"), "float32"))


@pytest.mark.parametrize("layer", [RoIPooling(5, 8), RoIAlign(5, 8, sampling_ratio=3, aligned=False)])
def test_shapes_and_configuration(layer):
    features, rois = keras.Input((9, 7, 6)), keras.Input((11, 4))
    assert layer(features, rois).shape == (None, 11, 5, 5, 6)
    assert layer(np.ones((2, 9, 7, 6), "float32"), np.ones((2, 11, 4), "float32")).shape == (2, 11, 5, 5, 6)
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    with pytest.raises(ArgumentError, match="its height and width must be known"):
        type(layer)(5, 8)(keras.Input((None, 7, 6)), rois)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: RoIPooling(0, 16), "pool_size=0 must be a positive integer"),
        (lambda: RoIPooling(7.5, 16), r"pool_size=7\.5 must be a positive integer"),
        (lambda: RoIPooling(7, 0), "stride=0 must be a positive number"),
        (lambda: RoIAlign(7, -1), "stride=-1 must be a positive number"),
        (lambda: RoIAlign(7, 16, sampling_ratio=0), "sampling_ratio=0 must be a positive integer"),
    ],
)
def test_arguments_that_cannot_work(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()
