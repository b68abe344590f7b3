"""A profile adds operations up by the kind of their layer, or of the operation."""

import keras
import pytest

from trainers.benchmarks.step_profile import by_kind, kind, profiled_training
from trainers.benchmarks.trace import Operation

LAYERS = {
    "conv1_conv": keras.layers.Conv2D(1, 1),
    "conv1_bn": keras.layers.BatchNormalization(),
    "conv1_out": keras.layers.Activation("relu"),
    "conv2_add": keras.layers.Add(),
}


@pytest.mark.parametrize(
    "name, type, expected",
    [
        ("net_1/conv1_conv_1/convolution", "_MklNativeConv2D", "convolution"),
        ("gradient_tape/net_1/conv1_conv_1/convolution/Conv2DBackpropFilter", "Conv2DBackpropFilter", "convolution"),
        ("net_1/conv1_bn_1/moments/mean", "Mean", "normalization"),
        ("gradient_tape/net_1/conv1_bn_1/batchnorm/mul_1/Mul", "Mul", "normalization"),
        ("FusedBatchNormGradV3", "FusedBatchNormGradV3", "normalization"),
        ("net_1/conv1_bn_1/Cast", "Cast", "cast"),
        ("gradient_tape/net_1/conv1_out_1/ReluGrad", "ReluGrad", "activation"),
        ("net_1/conv2_add_1/add", "AddV2", "addition"),
        ("AddN_3", "AddN", "addition"),
        ("sgd/Mul_1", "Mul", "optimizer"),
        ("ResourceApplyKerasMomentum", "ResourceApplyKerasMomentum", "optimizer"),
        ("max_pool_grad", "_MklMaxPoolGrad", "pooling"),
        ("softmax_cross_entropy_with_logits", "SoftmaxCrossEntropyWithLogits", "rest"),
    ],
)
def test_an_operation_is_of_the_kind_of_its_layer(name, type, expected):
    assert kind(Operation(name, type, 1.0), LAYERS) == expected


def test_operations_add_up():
    operations = [Operation("a", "A", 1.0), Operation("b", "B", 5.0), Operation("c", "A", 2.0)]
    assert by_kind(operations, lambda one: one.type, {"a": 4_000_000, "b": 500_000}) == {
        "B": {"ms": 5.0, "share": 5 / 8, "operations": 1, "mb": 0.5},
        "A": {"ms": 3.0, "share": 3 / 8, "operations": 2, "mb": 4.0},
    }


@pytest.mark.slow
def test_a_step_has_all_kinds():
    profile = profiled_training("cifar_resnet8", 8, 32, 10, "mixed_bfloat16", 1)
    assert {"convolution", "normalization", "activation", "addition", "cast", "optimizer", "rest"} <= profile.keys()
    assert sum(row["share"] for row in profile.values()) == pytest.approx(1)
    # The outputs of nine convolutions with 16, 32 and 64 filters, in two bytes; gradients are as large.
    assert profile["convolution"]["mb"] > 8 * 32 * 32 * 16 * 2 * 3 / 1e6
