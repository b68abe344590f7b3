"""BN-Inception (Ioffe and Szegedy, 2015; arXiv 1502.03167, figure 5), with TF-slim's filters and a plain 7x7 stem.

11,194,984 parameters, 2.02e9 multiply-adds at 224x224; top-1 / top-5 error, one crop: 25.2 / 7.8.
"""

from keras_resnets.models.builder import check_dropout, image_model
from keras_resnets.models.inception import Inception, pooled_with_dropout
from keras_resnets.models.inception import pooling as pool
from keras_resnets.weights.published import resolve


def _branches(a, b, c, d, e, kind, f):
    return [[f"1x1,{a}"], [f"1x1,{b}", f"3x3,{c}"], [f"1x1,{d}", f"3x3,{e}", f"3x3,{e}"], [kind, f"1x1,{f}"]]


def _reduction(b, c, d, e):
    return [[f"1x1,{b}", f"3x3,{c}/2"], [f"1x1,{d}", f"3x3,{e}", f"3x3,{e}/2"], ["max/2"]]


# Filters: 1x1; 3x3 reduce, 3x3; double 3x3 reduce, double 3x3; the pooling and what comes after it.
STAGES = {
    "conv3": [_branches(64, 64, 64, 64, 96, "avg", 32), _branches(64, 64, 96, 64, 96, "avg", 64)],
    "conv4": [
        _reduction(128, 160, 64, 96),
        _branches(224, 64, 96, 96, 128, "avg", 128),
        _branches(192, 96, 128, 96, 128, "avg", 128),
        _branches(160, 128, 160, 128, 160, "avg", 96),
        _branches(96, 128, 192, 160, 192, "avg", 96),
    ],
    "conv5": [
        _reduction(128, 192, 192, 256),
        _branches(352, 192, 320, 160, 224, "avg", 128),
        _branches(352, 192, 320, 192, 224, "max", 128),
    ],
}


def BNInception(
    include_top=True,
    weights=None,
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="bn_inception",
    *,
    dropout_rate=0.2,
    width=1.0,
):
    """BN-Inception, also called Inception-v2; all padding is TensorFlow's "same".

    The layers `conv1_out` ... `conv5_out` are the last maps of each size, before pooling: at 224x224, 112x112x64,
    56x56x192, 28x28x320, 14x14x576 and 7x7x1024.

    Args:
        include_top ... name: as in `keras_resnets.ResNet`; at least 32x32.
        dropout_rate: share of the pooled features that is dropped in training.
        width: factor of all filters, which are rounded to the nearest integer, 1 at least; published weights are for 1.

    Returns:
        A `keras.Model` with output (B, classes), or as `pooling` says.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """
    check_dropout(dropout_rate, include_top, default=0.2)
    net = Inception(width=width)

    def trunk(x):
        x = pool(net.stem(x, ["7x7,64/2"], "conv1"), "max/2", "conv1")
        x = pool(net.stem(x, ["1x1,64", "3x3,192"], "conv2"), "max/2", "conv2")
        for stage, blocks in STAGES.items():
            x = net.stage(x, blocks, stage)
        return x

    return image_model(
        trunk,
        include_top=include_top,
        weights=resolve(weights, "bn_inception", include_top, classes, width),
        input_tensor=input_tensor,
        input_shape=input_shape,
        pooling=pooling,
        classes=classes,
        classifier_activation=classifier_activation,
        name=name,
        default_size=224,
        minimum_size=32,
        head=pooled_with_dropout(dropout_rate),
    )
