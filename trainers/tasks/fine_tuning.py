"""Training that starts from another net: stages that stay as they are, or learn at their own pace.

A stage is called like its layers: "conv2" has `conv2_block1_1_conv` and all others whose names begin with `conv2_`.
"stem" is another name of "conv1".
"""

import keras

from keras_resnets import ArgumentError
from keras_resnets.surgery.graph import leaf_layers

STEM = "conv1"


def freeze(model, stages):
    """Freezes stages: their weights stay, and their batch normalization keeps and uses its statistics.

    Raises:
        ArgumentError: if the net has no such stage, or nothing would be left to train.
    """
    for stage in stages:
        for layer in _layers(model, stage, "freeze"):
            layer.trainable = False
    if not model.trainable_variables:
        raise ArgumentError(f"--freeze={','.join(stages)} leaves nothing to train: leave out some stages.")


def learning_rate_factors(model, rates, of_biases=1.0):
    """Returns a factor of the learning rate for each trainable variable, or None where all are 1.

    Args:
        model: a net of this package.
        rates: dict of stages to factors.
        of_biases: factor of biases, beside that of their stage.

    Raises:
        ArgumentError: if the net has no such stage.
    """
    if not rates and of_biases == 1:
        return None
    factors = {}
    for stage, factor in rates.items():
        variables = [v for layer in _layers(model, stage, "stage_learning_rates") for v in layer.trainable_variables]
        if not variables:
            raise ArgumentError(f"--stage_learning_rates={stage}={factor:g} has no effect, as --freeze has {stage}.")
        factors |= {id(variable): factor for variable in variables}
    return [
        factors.get(id(variable), 1.0) * (of_biases if variable.path.endswith("/bias") else 1.0)
        for variable in model.trainable_variables
    ]


def _layers(model, stage, flag):
    name = STEM if stage == "stem" else stage
    layers = [layer for layer in leaf_layers(model) if layer.name == name or layer.name.startswith(f"{name}_")]
    if not any(layer.weights for layer in layers):
        stages = dict.fromkeys(layer.name.partition("_")[0] for layer in leaf_layers(model) if layer.weights)
        stages = ["stem" if stage == STEM else stage for stage in stages]
        raise ArgumentError(f"--{flag}: {model.name} has no stage {stage!r}: it has {', '.join(stages)}.")
    return [layer for layer in layers if not isinstance(layer, keras.layers.InputLayer)]
