"""Max pooling as in Caffe, whose output sizes are rounded up."""

import keras


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
