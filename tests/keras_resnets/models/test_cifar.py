"""CIFAR nets."""

import keras
import numpy as np
import pytest

import keras_resnets
from keras_resnets import ArgumentError
from trainers.runtime.measuring import parameters


def test_option_b_adds_two_projections():
    model = keras_resnets.CifarResNet(20, shortcut="B")
    assert parameters(model) == 272_474
    projections = [layer.name for layer in model.layers if layer.name.endswith("_0_conv")]
    assert projections == ["conv3_block1_0_conv", "conv4_block1_0_conv"]


def test_stage_outputs_by_name():
    model = keras_resnets.CifarResNet(8)
    shapes = [model.get_layer(f"conv{i}_out").output.shape[1:] for i in range(1, 5)]
    assert shapes == [(32, 32, 16), (32, 32, 16), (16, 16, 32), (8, 8, 64)]
    assert model.output_shape == (None, 10) and model.name == "cifar_resnet8"
    assert keras_resnets.CifarPlainNet(8).name == "cifar_plainnet8"


@pytest.mark.parametrize(
    "depth, bottleneck, message",
    [
        (21, None, r"depth=21 must be 6n\+2 or 9n\+2"),
        (2, None, "depth=2 must be"),
        (32, True, r"depth=32 must be 9n\+2"),
        (29, False, r"depth=29 must be 6n\+2"),
        ("20", None, "depth='20' must be"),
    ],
)
def test_depths_that_do_not_exist(depth, bottleneck, message):
    with pytest.raises(ArgumentError, match=message):
        keras_resnets.CifarResNet(depth, bottleneck=bottleneck)


def test_images_of_other_sizes():
    assert keras_resnets.CifarResNet(8, input_shape=(28, 28, 1)).output_shape == (None, 10)
    with pytest.raises(ArgumentError, match=r"input_shape=\(3, 32, 3\) is too small: .* at least 4 pixels"):
        keras_resnets.CifarResNet(8, input_shape=(3, 32, 3))


@pytest.mark.slow
def test_a_saved_net_answers_the_same_in_a_process_that_only_imports_keras_resnets(tmp_path, in_new_process, randomize):
    model = randomize(keras_resnets.CifarResNet(14))
    model.save(tmp_path / "net.keras")
    images = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype("float32")
    np.save(tmp_path / "images.npy", images)
    process = in_new_process(
        "import keras, keras_resnets, numpy as np, sys\n"
        "model = keras.saving.load_model(sys.argv[1] + '/net.keras')\n"
        "np.save(sys.argv[1] + '/answers.npy', model(np.load(sys.argv[1] + '/images.npy')))\n",
        arguments=[tmp_path],
        cwd=tmp_path,
    )
    assert process.returncode == 0, process.stderr
    np.testing.assert_allclose(np.load(tmp_path / "answers.npy"), model(images), rtol=1e-5)


@pytest.mark.slow
def test_1202_layers_train_save_and_load(tmp_path, in_new_process):
    model = keras_resnets.CifarResNet(1202, classifier_activation=None)
    model.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = model.get_layer("conv2_block1_1_conv").kernel.numpy()
    loss = model.train_on_batch(np.random.normal(size=(16, 32, 32, 3)), np.arange(16) % 10)
    assert np.isfinite(loss) and np.any(model.get_layer("conv2_block1_1_conv").kernel.numpy() != before)
    model.save(tmp_path / "deep.keras")
    process = in_new_process(
        "import keras, keras_resnets, sys; print(keras.saving.load_model(sys.argv[1]).count_params())",
        arguments=[tmp_path / "deep.keras"],
    )
    assert process.stdout.split()[-1] == "19510906", process.stderr


def test_dropout_before_the_classifier():
    model = keras_resnets.CifarResNet(8, dropout_rate=0.3)
    assert model.get_layer("dropout").rate == 0.3 and model.layers[-2].name == "dropout"
    assert "dropout" not in [layer.name for layer in keras_resnets.CifarResNet(8).layers]
    with pytest.raises(ArgumentError, match=r"dropout_rate=1 must be in \[0, 1\)"):
        keras_resnets.CifarResNet(8, dropout_rate=1)
