"""The second classifier that helps an Inception in training (arXiv 1512.00567, section 4), as in TF-slim."""

from collections.abc import Callable

import keras

from keras_resnets.errors import ArgumentError
from keras_resnets.models.blocks import classifier
from keras_resnets.models.builder import KerasArguments
from keras_resnets.models.inception import Inception


def auxiliary_classifier(net: Inception, arguments: KerasArguments) -> Callable[[keras.Model], keras.Model]:
    """Returns the function that adds an auxiliary classifier on `conv4_out`, the last 17x17 map at 299x299, to a model.

    The layers are a 5x5 average pooling with stride 3, a 1x1 convolution to 128 filters, one as large as the map to 768
    filters, each with batch normalization, and the classifier `auxiliary_predictions`, the model's second output.

    Args:
        net: the `Inception` of the model.
        arguments: the builder's arguments.

    Raises:
        ArgumentError: (from the function) for a model whose image has no fixed size, or is too small.
    """

    def extend(model):
        x = model.get_layer("conv4_out").output
        if None in x.shape[1:3] or min(x.shape[1:3]) < 5:
            raise ArgumentError(
                f"auxiliary_head=True needs an input_shape whose stride-16 map is at least 5x5, and "
                f"{model.input_shape} is too small or open: leave it out, or pass a larger one."
            )
        x = keras.layers.AveragePooling2D(5, strides=3, name="auxiliary_pool")(x)
        x = net.convolution(x, "1x1,128", "auxiliary_1")
        height, width = x.shape[1:3]
        x = net.convolution(x, f"{height}x{width},768 V", "auxiliary_2")
        x = keras.layers.Flatten(name="auxiliary_flatten")(x)
        x = classifier(x, arguments["classes"], arguments["classifier_activation"], "auxiliary_predictions")
        return keras.Model(model.input, [model.output, x], name=model.name)

    return extend


def without_auxiliary_head(model: keras.Model) -> keras.Model:
    """Returns a net of the same layers with its first output only, or the net itself if it has no auxiliary head."""
    return keras.Model(model.input, model.outputs[0], name=model.name) if len(model.outputs) > 1 else model
