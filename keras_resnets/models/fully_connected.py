"""Fully connected layers with dropout: the classifier of the nets before global pooling has fc6 and fc7."""

import keras

UNITS = 4096
NAMES = ("fc6", "fc7")


def fully_connected(dropout_rate, units=UNITS, names=NAMES):
    """Returns the function from a map (B, H, W, C), of fixed size, or a vector to the classifier's input (B, units).

    Args:
        dropout_rate: after each layer.
        units: of each layer.
        names: of the layers.
    """

    def head(x):
        x = keras.layers.Flatten(name="flatten")(x)
        for name in names:
            x = keras.layers.Dense(units, activation="relu", kernel_initializer="he_normal", name=name)(x)
            x = keras.layers.Dropout(dropout_rate, name=f"{name}_dropout")(x)
        return x

    return head
