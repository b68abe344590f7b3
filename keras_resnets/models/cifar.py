"""Plain and residual nets for CIFAR (He et al., 2015; arXiv 1512.03385, section 4.2).

| depth | n | parameters (option A, 10 classes) | multiply-adds at 32x32 | test error of the paper, % |
|---|---|---|---|---|
| 20 | 3 | 269,722 | 40.6e6 | 8.75 |
| 32 | 5 | 464,154 | 68.9e6 | 7.51 |
| 44 | 7 | 658,586 | 97.2e6 | 7.17 |
| 56 | 9 | 853,018 | 125.5e6 | 6.97 |
| 110 | 18 | 1,727,962 | 252.9e6 | 6.43 |
| 1202 | 200 | 19,421,274 | 2829.2e6 | 7.93 |
"""

from keras_resnets.errors import ArgumentError
from keras_resnets.models.image_model import image_model
from keras_resnets.models.residual import check_unit, conv_bn, relu, stages
from keras_resnets.models.variant import variant

FILTERS = (16, 32, 64)


def CifarResNet(
    depth,
    include_top=True,
    weights=None,
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=10,
    classifier_activation="softmax",
    name=None,
    *,
    bottleneck=None,
    shortcut="default",
    zero_gamma=False,
):
    """A CIFAR residual net: a 3x3 convolution, then three stages of n units with 16, 32 and 64 filters.

    Depth 6n+2 counts two 3x3 convolutions a unit; depth 9n+2 three convolutions of a bottleneck (the "original unit"
    of arXiv 1603.05027, which has its stride in the first 1x1). The layers `conv1_out` ... `conv4_out` are the
    outputs of the first convolution and of the stages: strides 1, 1, 2, 4.

    Args:
        depth: 6n+2 or 9n+2: 20, 32, 44, 56, 110, 1202, or any other.
        include_top ... classifier_activation: as in `keras_resnets.ResNet`, but with 10 classes, and 32x32x3 when
            `input_shape` is None and the classifier is included.
        name: the model's name, by default "cifar_resnet{depth}".
        bottleneck: True for 9n+2, False for 6n+2, None for what fits the depth, 6n+2 before 9n+2.
        shortcut: "A", "B" or "C", or None for a plain net: see `keras_resnets.ResNet`. By default "A" as in the
            paper, but "B" for bottlenecks, whose first unit must widen the map.
        zero_gamma: start the last gamma of each residual branch at 0.

    Returns:
        A `keras.Model` with output (B, classes), or as `pooling` says.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work, e.g. a depth that is neither 6n+2 nor 9n+2.
    """
    units, bottleneck = units_of_depth(depth, bottleneck)
    if shortcut == "default":
        shortcut = "B" if bottleneck else "A"
    check_unit(shortcut, zero_gamma=zero_gamma)

    def trunk(x):
        x = relu(conv_bn(x, FILTERS[0], 3, "conv1"), "conv1_out")
        return stages(x, 3 * (units,), FILTERS, shortcut=shortcut, bottleneck=bottleneck, zero_gamma=zero_gamma)

    return image_model(
        trunk,
        include_top=include_top,
        weights=weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        pooling=pooling,
        classes=classes,
        classifier_activation=classifier_activation,
        name=name or f"cifar_{'plainnet' if shortcut is None else 'resnet'}{depth}",
        default_size=32,
        default_classes=10,
        minimum_size=4,
    )


def units_of_depth(depth, bottleneck):
    """Returns the units of each stage and whether they are bottlenecks."""
    kinds = {False: 6, True: 9}
    if bottleneck is not None:
        kinds = {bottleneck: kinds[bool(bottleneck)]}
    for kind, layers in kinds.items():
        if isinstance(depth, int) and depth > 2 and (depth - 2) % layers == 0:
            return (depth - 2) // layers, kind
    forms = " or ".join(f"{layers}n+2" for layers in kinds.values())
    raise ArgumentError(f"depth={depth!r} must be {forms} with n >= 1, for example 20, 56 or 110.")


CifarPlainNet = variant(
    CifarResNet,
    "CifarPlainNet",
    "A CIFAR plain net: `CifarResNet` without its shortcuts, of any depth 6n+2 (figure 6, left).",
    name=None,
    shortcut=None,
    bottleneck=False,
    zero_gamma=False,
)
