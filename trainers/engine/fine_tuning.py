"""Fine-tuning: stages that are frozen, or have a learning rate of their own.

The name of a stage begins the names of its layers: "conv2" has `conv2_block1_1_conv` and all other layers whose names
begin with `conv2_`. "stem" is another name of "conv1".
"""

from collections.abc import Iterable, Mapping

import keras

from keras_resnets.errors import ArgumentError
from keras_resnets.surgery.graph import batch_normalizations, leaf_layers
from trainers.recipes.recipe import Recipe

STEM = "conv1"


def freeze(model: keras.Model, stages: Iterable[str]) -> None:
    """Freezes stages: their weights do not change, and their batch normalization uses and keeps its statistics.

    Raises:
        ArgumentError: if the net has no such stage, or nothing would be left to train.
    """
    for stage in stages:
        for layer in _layers(model, stage, "freeze"):
            layer.trainable = False
    if not model.trainable_variables:
        raise ArgumentError(f"--freeze={','.join(stages)} leaves nothing to train: leave out some stages.")


def configured(model: keras.Model, frozen: Iterable[str], recipe: Recipe) -> keras.Model:
    """Freezes stages of a new net, and sets the recipe's momentum of batch normalization; returns the net.

    Args:
        model: a net of this package.
        frozen: names of stages.
        recipe: the recipe.

    Raises:
        ArgumentError: see `freeze`.
    """
    freeze(model, frozen)
    if recipe.batch_norm_momentum is not None:
        for layer in batch_normalizations(model):
            layer.momentum = recipe.batch_norm_momentum
    return model


def learning_rate_factors(model: keras.Model, rates: Mapping[str, float], of_biases: float = 1.0) -> list[float] | None:
    """Returns a factor of the learning rate for each trainable variable, or None where all are 1.

    Args:
        model: a net of this package.
        rates: dict of stages to factors.
        of_biases: factor of biases, which multiplies that of their stage.

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
