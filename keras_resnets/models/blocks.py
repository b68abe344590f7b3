"""Pieces of nets that several families share: poolings, heads, and the widths and names of layers."""

import numbers
from collections.abc import Callable, Sequence

import keras

from keras_resnets.errors import ArgumentError
from keras_resnets.layers.spatial_pyramid_pooling import SpatialPyramidPooling
from keras_resnets.values import POSITIVE
from keras_resnets.weights.family import CLASSIFIER

FC_NAMES = ("fc6", "fc7")  # names of layers
Head = Callable[[keras.KerasTensor], keras.KerasTensor]  # from the last map (B, H, W, C) to a vector (B, F)


def named(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Returns `x` as the output of a layer called `name`, for `model.get_layer(name).output`."""
    return keras.layers.Identity(name=name)(x)


def scaled_filters(filters: int, width: float) -> int:
    """Returns `width` times a number of filters, rounded to the nearest integer (of two, the even one), at least 1.

    Raises:
        ArgumentError: (a ValueError) for a width that is not a positive number, or not finite as float32.
    """
    if not POSITIVE.contain(width):
        raise ArgumentError(f"width={width!r} must be a positive number, such as 0.25.")
    return max(1, round(filters * width))


def positive_integers(argument: str, values: Sequence[int], length: int | None = None) -> tuple[int, ...]:
    """Returns the values of an argument as a tuple.

    Raises:
        ArgumentError: (a ValueError) unless they are positive integers, as many as the length says, and at least one.
    """
    try:
        checked = tuple(values)
        if not all(isinstance(value, numbers.Integral) and value > 0 for value in checked):
            raise TypeError
        if len(checked) != length if length is not None else not checked:
            raise TypeError
    except TypeError:
        number = "" if length is None else f"{length} "
        raise ArgumentError(f"{argument}={values!r} must be {number}positive integers, one per stage.") from None
    return checked


def caffe_max_pooling(x: keras.KerasTensor, pool_size: int, name: str, padding: int = 0) -> keras.KerasTensor:
    """Max pooling with stride 2, as in Caffe: sizes are rounded up, so that a last, partial window counts.

    In PyTorch, this is `ceil_mode`.

    Args:
        x: (B, H, W, C), non-negative: the border is zeros.
        pool_size: side of the window, 2 or 3.
        name: name of the pooling layer; the padding layer is called `{name}_pad`.
        padding: zeros on every side.

    Returns:
        (B, h, w, C), h = ceil((H + 2 * padding - pool_size) / 2) + 1.
    """
    border = (padding, padding + 1)
    # Where no window reaches the additional row, it changes nothing.
    x = keras.layers.ZeroPadding2D((border, border), name=f"{name}_pad")(x)
    return keras.layers.MaxPooling2D(pool_size, strides=2, name=name)(x)


def last_pooling(
    x: keras.KerasTensor, max_pooling: Head, levels: Sequence[int] | None, pooling: str | None
) -> keras.KerasTensor:
    """Ends a trunk whose classifier begins with a fully connected layer.

    Args:
        x: the last map (B, H, W, C).
        max_pooling: function from the last map to a smaller one.
        levels: levels of a spatial pyramid that replaces `max_pooling` (SPPnet, arXiv 1406.4729, section 2.2), so
            that height and width may change from call to call; or None.
        pooling: the builder's argument.

    Returns:
        The result of `max_pooling`, or the pyramid's (B, M * C) for M bins.

    Raises:
        ArgumentError: (a ValueError) for impossible levels, or a pyramid together with `pooling`.
    """
    if levels is None:
        return max_pooling(x)
    if pooling is not None:
        raise ArgumentError(f"pooling={pooling!r} is for a map, and a pyramid makes a vector of it: leave it out.")
    return SpatialPyramidPooling(levels, name="spatial_pyramid_pooling")(x)


def global_average(x: keras.KerasTensor) -> keras.KerasTensor:
    """Global average pooling of (B, H, W, C): (B, C)."""
    return keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)


def global_maximum(x: keras.KerasTensor) -> keras.KerasTensor:
    """Global max pooling of (B, H, W, C): (B, C)."""
    return keras.layers.GlobalMaxPooling2D(name="max_pool")(x)


def pooled_with_dropout(dropout_rate: float) -> Head:
    """Returns the head of the papers' Inceptions: global average pooling and dropout."""
    return lambda x: keras.layers.Dropout(dropout_rate, name="dropout")(global_average(x))


def fully_connected(dropout_rate: float, units: int, names: Sequence[str] = FC_NAMES) -> Head:
    """Returns a head of dense layers with ReLU and dropout.

    The head takes a map (B, H, W, C) of fixed size, or a vector, and returns (B, units).

    Args:
        dropout_rate: dropout rate after each layer.
        units: units of each layer.
        names: names of the layers.
    """

    def head(x):
        x = keras.layers.Flatten(name="flatten")(x)
        for name in names:
            x = keras.layers.Dense(units, activation="relu", kernel_initializer="he_normal", name=name)(x)
            x = keras.layers.Dropout(dropout_rate, name=f"{name}_dropout")(x)
        return x

    return head


def classifier(
    x: keras.KerasTensor, classes: int, activation: str | Callable | None, name: str = CLASSIFIER
) -> keras.KerasTensor:
    """The last layer, (B, F) to (B, classes); its softmax is in full precision also under a mixed policy."""
    dtype = keras.config.dtype_policy().variable_dtype
    return keras.layers.Dense(int(classes), activation=activation, dtype=dtype, name=name)(x)
