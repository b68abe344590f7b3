"""Properties of residual units that the papers state: arXiv 1603.05027, sections 2 to 4."""

import keras
import numpy as np
import pytest

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.models.residual import ACTIVATION_ORDERS, SHORTCUTS
from trainers.runtime.measuring import parameters

KINDS = pytest.mark.parametrize("bottleneck", [False, True], ids=["basic", "bottleneck"])
DEPTHS = {False: 14, True: 20}  # two units a stage


def build(bottleneck, **arguments):
    depth = DEPTHS[bottleneck]
    return keras_resnets.CifarResNet(depth, bottleneck=bottleneck, input_shape=(16, 16, 3), **arguments)


def images(count=2):
    return np.random.default_rng(1).normal(size=(count, 16, 16, 3)).astype("float32")


def outputs(model, *names):
    return keras.Model(model.input, [model.get_layer(name).output for name in names])(images())


def silence_branches(model, bottleneck):
    """Sets the last convolution of each branch of conv3 to zero, and with it the mean and beta that follow."""
    for layer in [layer for layer in model.layers if layer.name.startswith("conv3")]:
        last = f"_{3 if bottleneck else 2}_conv"
        if layer.name.endswith(last):
            layer.set_weights([np.zeros(weight.shape) for weight in layer.weights])
        elif layer.name.endswith(last.replace("conv", "bn")):
            gamma, *rest = layer.get_weights()
            layer.set_weights([gamma, *(np.zeros_like(rest[0]), np.zeros_like(rest[1])), rest[2]])


@KINDS
def test_a_full_pre_activation_stage_without_branches_is_the_identity(bottleneck, randomize):
    model = randomize(build(bottleneck, activation_order="full_pre_activation"))
    silence_branches(model, bottleneck)
    rest = keras.Model(model.get_layer("conv3_block1_out").output, model.get_layer("conv3_out").output)
    values = np.random.default_rng(0).normal(size=(2, *rest.input_shape[1:])).astype("float32")
    np.testing.assert_array_equal(rest(values), values)


@KINDS
def test_an_original_unit_without_its_branch_is_the_identity_for_non_negative_input_only(bottleneck, randomize):
    model = randomize(build(bottleneck))
    silence_branches(model, bottleneck)
    first, last = outputs(model, "conv3_block1_out", "conv3_out")
    np.testing.assert_array_equal(first, last)
    unit = keras.Model(model.get_layer("conv3_block1_out").output, model.get_layer("conv3_out").output)
    values = np.array(first) - 1
    np.testing.assert_array_equal(unit(values), np.maximum(values, 0))
    assert np.min(values) < 0


@KINDS
def test_constant_scaling_without_shortcut_is_the_plain_net(bottleneck, randomize):
    scaled = randomize(build(bottleneck, shortcut="constant_scaling", shortcut_scale=0.0, branch_scale=1.0))
    plain = build(bottleneck, shortcut=None)
    plain.set_weights(scaled.get_weights())
    np.testing.assert_allclose(plain(images()), scaled(images()), rtol=1e-5, atol=1e-6)


@KINDS
def test_constant_scaling_by_one_is_option_a(bottleneck, randomize):
    scaled = randomize(build(bottleneck, shortcut="constant_scaling", shortcut_scale=1.0, branch_scale=1.0))
    ordinary = build(bottleneck, shortcut="A")
    ordinary.set_weights(scaled.get_weights())
    np.testing.assert_allclose(ordinary(images()), scaled(images()), rtol=1e-5, atol=1e-6)


@KINDS
@pytest.mark.parametrize("shortcut", ["exclusive_gating", "shortcut_only_gating"])
def test_a_gate_is_the_sigmoid_of_its_bias_at_zero_input(shortcut, bottleneck):
    model = build(bottleneck, shortcut=shortcut, gate_bias=-6.0)
    gate = keras.Model(model.input, model.get_layer("conv2_block1_gate_conv").output)
    np.testing.assert_allclose(gate(np.zeros((1, 16, 16, 3))), 0.002472623, rtol=1e-5)


@KINDS
def test_what_gates_let_through(bottleneck, randomize):
    for shortcut in ("exclusive_gating", "shortcut_only_gating"):
        model = randomize(build(bottleneck, shortcut=shortcut))
        last = "conv3_block2_3_bn" if bottleneck else "conv3_block2_2_bn"
        x, gate, branch, total = outputs(model, "conv3_block1_out", "conv3_block2_gate_conv", last, "conv3_block2_add")
        factor = gate if shortcut == "exclusive_gating" else 1.0
        np.testing.assert_allclose(total, (1 - gate) * x + factor * branch, rtol=1e-4, atol=1e-5)
        assert 0.01 < np.std(gate)


@KINDS
def test_relu_before_addition_never_decreases_along_a_stage(bottleneck, randomize):
    model = randomize(build(bottleneck, activation_order="relu_before_addition"))
    first, last = outputs(model, "conv3_block1_out", "conv3_out")
    assert np.all(last >= first) and np.any(last > first)


@KINDS
@pytest.mark.usefixtures("without_weights")
def test_orders_have_the_same_components_in_other_places(bottleneck):
    # But for special first and last units, and the batch normalization of projections.
    counts = [parameters(build(bottleneck, activation_order=order, shortcut="A")) for order in ACTIVATION_ORDERS]
    assert len(ACTIVATION_ORDERS) == 5 and max(counts) - min(counts) <= (0 if not bottleneck else 800)


@KINDS
def test_variants_are_different_functions(bottleneck, randomize):
    answers = {}
    for order in ACTIVATION_ORDERS:
        answers[order] = randomize(build(bottleneck, activation_order=order, classifier_activation=None))(images())
    for shortcut in (*SHORTCUTS, None):
        if shortcut not in ("dropout", None):
            model = randomize(build(bottleneck, shortcut=shortcut, classifier_activation=None))
            answers[shortcut] = model(images())
    names = list(answers)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            default = {"original", "B" if bottleneck else "A"}
            same = np.allclose(answers[one], answers[other], rtol=1e-3)
            assert same == ({one, other} == default), (one, other)


def test_dropout_is_on_the_shortcut_and_in_training_only(randomize):
    model = randomize(build(False, shortcut="dropout", shortcut_dropout=0.5))
    ordinary = build(False)
    ordinary.set_weights(model.get_weights()[: len(ordinary.get_weights())])
    np.testing.assert_allclose(model(images()), ordinary(images()), rtol=1e-5)
    layer = model.get_layer("conv2_block1_0_dropout")
    dropped = layer(np.ones((1, 50, 50, 4)), training=True)
    assert set(np.unique(dropped)) == {0.0, 2.0}


@pytest.mark.usefixtures("without_weights")
def test_every_convolution_has_a_shortcut_with_one_layer_per_unit():
    model = keras_resnets.CifarResNet(14, layers_per_unit=1)
    additions = [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]
    kernels = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(additions) == len(kernels) - 1 == 12


@pytest.mark.usefixtures("without_weights")
def test_projections_of_pre_activation_see_the_activated_map():
    model = build(True, activation_order="full_pre_activation")
    projection = model.get_layer("conv3_block1_0_conv")
    assert projection.input is model.get_layer("conv3_block1_preact_relu").output
    assert not any(layer.name.endswith("_0_bn") for layer in model.layers)


@pytest.mark.parametrize("order", ["full_pre_activation", "relu_only_pre_activation"])
@pytest.mark.usefixtures("without_weights")
def test_pre_activation_is_shared_where_dimensions_change(order):
    model = build(False, activation_order=order)
    padded = model.get_layer("conv3_block1_0_pad")
    assert padded.input is model.get_layer("conv3_block1_preact_relu").output
    assert model.get_layer("conv3_out").input[0] is model.get_layer("conv3_block1_out").output


def test_the_first_pre_activation_is_shared():
    model = keras_resnets.CifarResNetV2(8)
    assert model.get_layer("conv2_out").input[0] is model.get_layer("conv2_block1_preact_relu").output


@KINDS
def test_the_papers_first_activation_is_right_after_conv1(bottleneck, randomize):
    arguments = {"input_shape": (64, 64, 3), "bottleneck": bottleneck}
    timm, paper = (keras_resnets.ResNetV2((2, 1), (8, 16), stem=stem, **arguments) for stem in ("timm", "paper"))
    assert parameters(timm) == parameters(paper)
    # Both paths of the first unit see conv1's activated map.
    randomize(paper)
    last = paper.get_layer(f"conv2_block1_{3 if bottleneck else 2}_conv")
    last.kernel.assign(np.zeros(last.kernel.shape))
    names = ("conv1_bn", "pool1_pool", "conv2_block1_0_conv" if bottleneck else "pool1_pool", "conv2_block1_out")
    layers = keras.Model(paper.input, [paper.get_layer(name).output for name in names])
    normalized, pooled, shortcut, unit = layers(np.random.default_rng(0).normal(size=(2, 64, 64, 3)))
    assert np.min(normalized) < 0
    activated = np.pad(np.maximum(normalized, 0), [[0, 0], [1, 1], [1, 1], [0, 0]])
    np.testing.assert_array_equal(pooled, keras.ops.max_pool(activated, 3, 2))
    np.testing.assert_array_equal(unit, shortcut)
    first = paper.get_layer("conv2_block1_1_conv")
    assert first.input is paper.get_layer("pool1_pool").output
    assert not bottleneck or paper.get_layer("conv2_block1_0_conv").input is first.input
    names = {layer.name for layer in paper.layers}
    assert "conv2_block1_preact_bn" not in names and "conv2_block2_preact_bn" in names
    with pytest.raises(ArgumentError, match="stem='torch' is unknown: use one of 'timm', 'paper'"):
        keras_resnets.ResNetV2((1,), (8,), stem="torch")


@pytest.mark.usefixtures("without_weights")
def test_depths_that_fit_both_kinds():
    assert keras_resnets.CifarResNet(np.int64(8)).name == "cifar_resnet8"

    def bottlenecks(model):
        return any(layer.name.endswith("_3_conv") for layer in model.layers)

    assert not bottlenecks(keras_resnets.CifarResNetV2(110)) and bottlenecks(keras_resnets.CifarResNetV2(164))
    assert not bottlenecks(keras_resnets.CifarResNet(164))
    assert bottlenecks(keras_resnets.CifarResNetV2(20, bottleneck=True))
    assert not bottlenecks(keras_resnets.CifarResNetV2(20, bottleneck=False))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"shortcut": "highway"}, "shortcut='highway' is unknown: use one of 'A', 'B', 'C', 'constant_scaling'"),
        ({"activation_order": "v2"}, "activation_order='v2' is unknown: use one of 'original', 'bn_after_addition'"),
        ({"layers_per_unit": 3}, "layers_per_unit=3 is unknown: use one of 1, 2"),
        ({"layers_per_unit": 1, "bottleneck": True, "depth": 11}, "layers_per_unit=1 has no bottleneck"),
        ({"shortcut": "dropout", "shortcut_dropout": 1.0}, r"shortcut_dropout=1.0 must be in \[0, 1\)"),
        ({"zero_gamma": True, "activation_order": "relu_before_addition"}, "zero_gamma=True cannot be with activation"),
        ({"gate_bias": "a"}, "gate_bias='a' must be a finite number"),
        ({"gate_bias": -3.0}, "gate_bias=-3.0 has no effect with shortcut='A': it is for 'exclusive_gating' and"),
        ({"depth": 8.0}, "depth=8.0 must be"),
        ({"gate_bias": float("nan")}, "gate_bias=nan must be a finite number"),
        ({"shortcut": None, "activation_order": "full_pre_activation"}, "'full_pre_activation' needs shortcuts"),
        (
            {"zero_gamma": True, "activation_order": "bn_after_addition"},
            "zero_gamma=True cannot be with activation_",
        ),
    ],
)
def test_units_that_cannot_be(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        keras_resnets.CifarResNet(**{"depth": 8, **arguments})


def test_imagenet_nets_have_the_shortcuts_of_their_paper_only():
    for build_net in (keras_resnets.ResNet, keras_resnets.ResNetV2):
        with pytest.raises(ArgumentError, match="shortcut='exclusive_gating' is unknown: use one of 'A', 'B', 'C'"):
            build_net((1,), (8,), shortcut="exclusive_gating")
    with pytest.raises(ArgumentError, match="shortcut=None is unknown: use one of 'A', 'B', 'C'"):
        keras_resnets.ResNetV2((1,), (8,), shortcut=None)
