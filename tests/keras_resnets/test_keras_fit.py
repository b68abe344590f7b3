"""The nets inside Keras code: compile, fit, freezing."""

import keras
import numpy as np
import pytest
from sklearn import datasets, model_selection

import keras_resnets
from keras_resnets.models.residual import ACTIVATION_ORDERS, SHORTCUTS

slow = pytest.mark.slow
# Every ImageNet net, and the side of its input here.
IMAGENET = {name: 64 for name in keras_resnets.list_models() if not name.startswith("cifar")}
IMAGENET |= {name: 75 for name in IMAGENET if name.startswith("inception")}
FAMILIES = ["resnet18", "resnet18_v2", "googlenet", "bn_inception", "inception_v3", "inception_v4"]
FAMILIES += ["inception_resnet_v1", "vgg16", "zfnet"]
QUICK = ("exclusive_gating", "full_pre_activation")  # that `make test` trains with, too


def losses_of_20_steps(model, size, **arguments):
    """Trains on 16 real digits, of four classes, again and again; returns the loss of each step."""
    digits = datasets.load_digits()
    images, _, labels, _ = model_selection.train_test_split(
        digits.images, digits.target, test_size=360, stratify=digits.target, random_state=0
    )
    chosen = np.flatnonzero(labels < 4)[:16]
    images = images[chosen].repeat(4, axis=1).repeat(4, axis=2)[..., np.newaxis].repeat(3, axis=-1)
    images = keras.ops.image.resize(images / 8 - 1, (size, size))
    model.compile(keras.optimizers.SGD(0.003, momentum=0.9), "sparse_categorical_crossentropy", **arguments)
    return model.fit(np.asarray(images), labels[chosen], batch_size=16, epochs=20, verbose=0).history["loss"]


def assert_falls(losses):
    assert np.all(np.isfinite(losses)) and np.mean(losses[-3:]) < 0.9 * losses[0]


def quick_and_slow(names):
    """Returns the parameters of a test, those that are not in `QUICK` marked as slow."""
    return [pytest.param(name, marks=[] if name in QUICK else slow) for name in names]


@pytest.mark.parametrize("order", quick_and_slow(ACTIVATION_ORDERS))
@pytest.mark.parametrize("depth", [8, pytest.param(11, marks=slow)])
def test_fit_learns_with_every_activation_order(order, depth):
    model = keras_resnets.CifarResNet(depth, bottleneck=depth == 11, activation_order=order)
    assert_falls(losses_of_20_steps(model, 32))


@pytest.mark.parametrize("shortcut", quick_and_slow([*SHORTCUTS, None]))
@pytest.mark.parametrize("depth", [8, pytest.param(11, marks=slow)])
def test_fit_learns_with_every_shortcut(shortcut, depth):
    model = keras_resnets.CifarResNet(depth, bottleneck=depth == 11, shortcut=shortcut)
    assert_falls(losses_of_20_steps(model, 32))


@slow
def test_fit_learns_with_one_layer_per_unit():
    assert_falls(losses_of_20_steps(keras_resnets.CifarResNet(8, layers_per_unit=1), 32))


@slow
@pytest.mark.parametrize("name", IMAGENET)
def test_fit_learns_with_every_imagenet_net(name):
    size = IMAGENET[name]
    assert_falls(losses_of_20_steps(keras_resnets.create_model(name, input_shape=(size, size, 3), classes=10), size))


@slow
@pytest.mark.parametrize("shortcut", [*SHORTCUTS, None])
def test_fit_learns_under_xla_with_every_shortcut(shortcut):
    assert_falls(losses_of_20_steps(keras_resnets.CifarResNet(8, shortcut=shortcut), 32, jit_compile=True))


@slow
@pytest.mark.parametrize("name", FAMILIES)
def test_fit_learns_under_xla(name):
    size = IMAGENET[name]
    model = keras_resnets.create_model(name, input_shape=(size, size, 3), classes=10)
    assert_falls(losses_of_20_steps(model, size, jit_compile=True))


@slow
def test_an_auxiliary_head_is_a_second_output():
    model = keras_resnets.InceptionV4(input_shape=(139, 139, 3), classes=5, auxiliary_head=True)
    assert model.output_names == ["predictions", "auxiliary_predictions"]
    assert [shape[-1] for shape in model.output_shape] == [5, 5]
    answers = model(np.zeros((1, 139, 139, 3)))
    assert all(np.isclose(np.sum(answer), 1) for answer in answers)
    keras_resnets.InceptionV4(input_shape=(600, 600, 3), auxiliary_head=True)  # a map of more than ten pixels
    with pytest.raises(keras_resnets.ArgumentError, match="auxiliary_head=True needs an input_shape"):
        keras_resnets.InceptionV4(input_shape=(75, 75, 3), auxiliary_head=True)
    with pytest.raises(keras_resnets.ArgumentError, match="auxiliary_head=True has no effect with include_top=False"):
        keras_resnets.InceptionV4(include_top=False, auxiliary_head=True)


@slow
def test_1001_layers_make_a_training_step():
    model = keras_resnets.CifarResNetV2(1001)
    model.compile(keras.optimizers.SGD(0.001), "sparse_categorical_crossentropy")
    images = np.random.default_rng(0).normal(size=(16, 32, 32, 3))
    before = model.get_layer("conv3_block50_2_conv").kernel.numpy()
    assert np.isfinite(model.fit(images, np.arange(16) % 10, batch_size=16, verbose=0).history["loss"][0])
    assert np.any(before != model.get_layer("conv3_block50_2_conv").kernel.numpy())


def test_a_frozen_backbone_keeps_its_statistics():
    backbone = keras_resnets.CifarResNet(8, include_top=False, pooling="avg", input_shape=(32, 32, 3))
    backbone.trainable = False
    before = backbone.get_weights()
    model = keras.Sequential([backbone, keras.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    head = model.layers[-1].get_weights()
    model.fit(np.random.normal(3.0, 2.0, size=(16, 32, 32, 3)), np.arange(16) % 2, epochs=2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, backbone.get_weights(), strict=True))
    assert not np.array_equal(head[0], model.layers[-1].get_weights()[0])
