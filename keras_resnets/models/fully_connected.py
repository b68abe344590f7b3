"""The classifier of the nets before global pooling: two layers of 4,096 units (fc6, fc7) with dropout."""

import keras

UNITS = 4096


def fully_connected(dropout_rate):
    """Returns the function from a map (B, H, W, C), of fixed size, to the classifier's input (B, 4096)."""

    def head(x):
        x = keras.layers.Flatten(name="flatten")(x)
        for name in ("fc6", "fc7"):
            x = keras.layers.Dense(UNITS, activation="relu", kernel_initializer="he_normal", name=name)(x)
            x = keras.layers.Dropout(dropout_rate, name=f"{name}_dropout")(x)
        return x

    return head
