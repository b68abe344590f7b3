"""Max pooling as in Caffe, whose output sizes are rounded up."""

import keras

from keras_resnets.errors import ArgumentError
from keras_resnets.layers.spatial_pyramid_pooling import SpatialPyramidPooling


def caffe_max_pooling(x, pool_size, name, padding=0):
    """Max pooling with stride 2; a last window that is partly outside counts (PyTorch's `ceil_mode`).

    Args:
        x: (B, H, W, C), non-negative: the border is zeros.
        pool_size: 2 or 3, the side of the window.
        name: the pooling layer's name; the padding's is `{name}_pad`.
        padding: zeros on every side.

    Returns:
        (B, h, w, C), h = ceil((H + 2 * padding - pool_size) / 2) + 1.
    """
    border = (padding, padding + 1)
    # One more row changes nothing where no window reaches it.
    x = keras.layers.ZeroPadding2D((border, border), name=f"{name}_pad")(x)
    return keras.layers.MaxPooling2D(pool_size, strides=2, name=name)(x)


NAMES = ("fc6", "fc7")


def fully_connected(dropout_rate, units, names=NAMES):
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


def last_pooling(x, max_pooling, levels, pooling):
    """Ends a trunk, for classifiers that begin with a fully connected layer.

    Args:
        x: the last map (B, H, W, C).
        max_pooling: function from it to a smaller one.
        levels: of the spatial pyramid that takes the place of `max_pooling` (SPPnet, arXiv 1406.4729, section 2.2), so
            that height and width may change from call to call; or None.
        pooling: the builder's argument.

    Returns:
        What `max_pooling` returns, or (B, M * C).

    Raises:
        ArgumentError: (a ValueError) for levels that cannot be, or a pyramid that is pooled again.
    """
    if levels is None:
        return max_pooling(x)
    if pooling is not None:
        raise ArgumentError(f"pooling={pooling!r} is for a map, and a pyramid makes a vector of it: leave it out.")
    return SpatialPyramidPooling(levels, name="spatial_pyramid_pooling")(x)


def named(x, name):
    """Returns `x` as the output of a layer called `name`, for `model.get_layer(name).output`."""
    return keras.layers.Identity(name=name)(x)
