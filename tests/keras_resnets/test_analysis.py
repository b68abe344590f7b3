"""Responses of layers, gradients by depth, and the sum rule."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.analysis import gradient_norms, layer_responses, sum_rule_deviations
from keras_resnets.surgery.without_batch_norm import without_batch_normalization


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(6, 16, 16, 3)).astype("float32")


def small(build, depth=14, **arguments):
    return build(depth, input_shape=(16, 16, 3), classifier_activation=None, **arguments)


@pytest.mark.parametrize("build", [keras_resnets.CifarResNet, keras_resnets.CifarPlainNet])
def test_responses_are_those_after_batch_normalization(build, images, randomize):
    model = randomize(small(build))
    responses = layer_responses(model, images)
    assert len(responses) == 6 * 2 + 1
    names = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert list(responses) == names and names[:2] == ["conv1_conv", "conv2_block1_1_conv"]
    for name in names:
        after = keras.Model(model.input, model.get_layer(name.removesuffix("conv") + "bn").output)
        assert responses[name] == pytest.approx(np.std(after(images)), rel=1e-5)


def test_responses_of_pre_activation_are_the_convolutions_own_at_the_end_of_a_unit(images, randomize):
    model = randomize(small(keras_resnets.CifarResNetV2))
    responses = layer_responses(model, images)
    for name, tensor in (("conv3_block1_1_conv", "conv3_block1_1_bn"), ("conv3_block1_2_conv", "conv3_block1_2_conv")):
        direct = keras.Model(model.input, model.get_layer(tensor).output)(images)
        assert responses[name] == pytest.approx(np.std(direct), rel=1e-5)
    assert len(responses) == 6 * 2 + 1


def test_responses_of_bottlenecks_and_of_single_convolutions(images):
    assert len(layer_responses(small(keras_resnets.CifarResNet, 20, bottleneck=True), images)) == 3 * 2 + 1
    assert len(layer_responses(small(keras_resnets.CifarResNet, 14, layers_per_unit=1), images)) == 6 * 2 + 1


def test_responses_of_more_images_than_are_computed_at_once(images, randomize):
    model = randomize(small(keras_resnets.CifarResNet, 8))
    many = np.concatenate([images * scale for scale in np.linspace(0.1, 2, 9)])  # 54 images
    direct = keras.Model(model.input, model.get_layer("conv4_block1_1_bn").output)(many)
    assert layer_responses(model, many)["conv4_block1_1_conv"] == pytest.approx(np.std(direct), rel=1e-5)


def sequential():
    return keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(2, 3)], name="line")


@pytest.mark.parametrize(
    "measure",
    [
        layer_responses,
        lambda model, images: gradient_norms(model, images, np.zeros(len(images), int)),
        sum_rule_deviations,
        lambda model, images: without_batch_normalization(model),
    ],
)
def test_models_that_are_not_functional(measure, images):
    with pytest.raises(ArgumentError, match="model=line is not functional: use a builder, or keras.Model.model.inputs"):
        measure(sequential(), images)
    with pytest.raises(ArgumentError, match="model='resnet50' is not a keras.Model: pass one"):
        measure("resnet50", images)


def test_models_that_are_not_flat(images):
    inner, image = small(keras_resnets.CifarResNet, 8), keras.Input((16, 16, 3))
    outer = keras.Model(image, inner(keras.layers.Conv2D(3, 3, padding="same")(image)), name="outer")
    with pytest.raises(ArgumentError, match="model=outer has a nested model, cifar_resnet8: pass a net of layers"):
        layer_responses(outer, images)
    with pytest.raises(ArgumentError, match="model=outer has a nested model, cifar_resnet8"):
        without_batch_normalization(outer)
    both = keras.Model([image, other := keras.Input((16, 16, 3))], keras.layers.Add()([image, other]), name="both")
    with pytest.raises(ArgumentError, match="model=both has 2 inputs: pass a net of layers only, with one input"):
        layer_responses(both, images)


@pytest.mark.parametrize("shape", [(0, 16, 16, 3), (2, 15, 16, 3), (16, 16, 3)])
@pytest.mark.parametrize("measure", [layer_responses, sum_rule_deviations])
def test_images_that_are_not_for_the_model(measure, shape):
    with pytest.raises(ArgumentError) as error:
        measure(small(keras_resnets.CifarResNet, 8), np.zeros(shape))
    assert (
        str(error.value) == f"images of shape {shape} are not for model cifar_resnet8: pass one or more of (16, 16, 3)."
    )


def test_the_sum_rule_needs_the_stages_of_this_package(images):
    image = keras.Input((16, 16, 3))
    other = keras.Model(image, keras.layers.Add(name="conv2_block1_add")([image, image]), name="other")
    with pytest.raises(ArgumentError, match="model other has the addition conv2_block1_add, which is in none of its"):
        sum_rule_deviations(other, images)


def test_a_sequential_model_can_be_made_functional(images):
    model = sequential()
    assert list(layer_responses(keras.Model(model.inputs, model.outputs), images)) == [model.layers[0].name]


def test_a_net_without_3x3_convolutions_has_no_responses(images):
    image = keras.Input((16, 16, 3))
    with pytest.raises(ArgumentError, match="model flat has no 3x3 convolution"):
        layer_responses(keras.Model(image, keras.layers.Conv2D(4, 1)(image), name="flat"), images)


def test_gradients_are_those_of_a_training_step_which_is_not_made(images, randomize):
    model, labels = randomize(small(keras_resnets.CifarResNet, 8)), np.arange(6)
    before = [value.copy() for value in model.get_weights()]
    norms = gradient_norms(model, images, labels)
    for value, now in zip(before, model.get_weights()):
        np.testing.assert_array_equal(value, now)
    kernels = [layer.kernel for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    with tf.GradientTape() as tape:
        losses = keras.losses.sparse_categorical_crossentropy(labels, model(images, training=True), from_logits=True)
        loss = tf.reduce_mean(losses)
    direct = [float(tf.norm(gradient)) for gradient in tape.gradient(loss, [kernel.value for kernel in kernels])]
    assert len(norms) == 7
    np.testing.assert_allclose(list(norms.values()), direct, rtol=1e-4)


def test_the_sum_rule_holds_for_pre_activation_only(images, randomize):
    deviations = sum_rule_deviations(randomize(small(keras_resnets.CifarResNetV2, 20)), images)
    assert list(deviations) == ["conv2", "conv3", "conv4"] and max(deviations.values()) < 1e-5
    bottlenecks = small(keras_resnets.CifarResNetV2, 29, bottleneck=True)
    assert max(sum_rule_deviations(randomize(bottlenecks), images).values()) < 1e-5
    original = sum_rule_deviations(randomize(small(keras_resnets.CifarResNet, 20)), images)
    assert min(original.values()) > 0.01
    assert sum_rule_deviations(small(keras_resnets.CifarPlainNet, 20), images) == {}


@pytest.mark.parametrize("build", [keras_resnets.CifarResNet, keras_resnets.CifarResNetV2, keras_resnets.CifarPlainNet])
def test_without_batch_normalization_the_net_is_one_whose_normalization_changes_nothing(build, images):
    model = small(build)
    bare = without_batch_normalization(model)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in bare.layers)
    assert [layer.name for layer in bare.layers[1:]] == [layer.name for layer in model.layers[1:]]
    for layer in model.layers[1:]:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(1 - layer.epsilon * np.ones(layer.moving_variance.shape))
        else:
            bare.get_layer(layer.name).set_weights(layer.get_weights())
    expected = model(images)
    np.testing.assert_allclose(bare(images), expected, atol=1e-4 * np.max(np.abs(expected)))
