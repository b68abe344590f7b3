"""Networks that classify regions and correct their boxes, from pooled features."""

import keras


def region_network(pooled, features, num_classes):
    """Ends a network of regions in its two siblings (Fast R-CNN, arXiv 1504.08083, sections 2.1 and 4.1).

    Args:
        pooled: Keras tensor (N, P, P, C), the pooled features of N regions.
        features: Keras tensor (N, F), made of `pooled`.
        num_classes: K.

    Returns:
        A `keras.Model` from `pooled` to logits (N, K + 1), the background first, and deltas (N, K + 1, 4), of which
        those of the background mean nothing (Caffe's have them, too), both float32.
    """

    def dense(units, stddev, name):
        initializer = keras.initializers.RandomNormal(stddev=stddev)
        precise = keras.config.dtype_policy().variable_dtype
        return keras.layers.Dense(units, kernel_initializer=initializer, dtype=precise, name=name)(features)

    logits = dense(num_classes + 1, 0.01, "class_logits")
    deltas = dense(4 * (num_classes + 1), 0.001, "box_deltas")
    deltas = keras.layers.Reshape((-1, 4), dtype=deltas.dtype, name="box_deltas_by_class")(deltas)
    return keras.Model(pooled, (logits, deltas), name="head")
