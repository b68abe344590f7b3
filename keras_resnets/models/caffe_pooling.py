"""Max pooling as in Caffe, whose output sizes are rounded up."""

import keras


def caffe_max_pooling(x, pool_size, name):
    """Max pooling with stride 2; a last window that is partly outside counts (PyTorch's `ceil_mode`).

    Args:
        x: (B, H, W, C), non-negative: the border is zeros.
        pool_size: 2 or 3, the side of the window.
        name: the pooling layer's name; the padding's is `{name}_pad`.

    Returns:
        (B, h, w, C), h = ceil((H - pool_size) / 2) + 1.
    """
    # One more row changes nothing where no window reaches it.
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(x)
    return keras.layers.MaxPooling2D(pool_size, strides=2, name=name)(x)
