"""The connection between two levels of a feature pyramid."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_resnets")
class TopDownAddition(keras.layers.Layer):
    """The sum of a map and the coarser one, enlarged twice by repeating cells (FPN, arXiv 1612.03144, section 3).

    Inputs: a list of two maps, (B, H, W, C) and (B, h, w, C) with h = ceil(H / 2) and w = ceil(W / 2). Output: (B, H,
    W, C).
    """

    def call(self, inputs):
        fine, coarse = inputs
        shape = tf.shape(coarse)
        height, width = coarse.shape[1] or shape[1], coarse.shape[2] or shape[2]
        repeated = tf.broadcast_to(
            coarse[:, :, tf.newaxis, :, tf.newaxis], [shape[0], height, 2, width, 2, coarse.shape[3]]
        )
        enlarged = tf.reshape(repeated, [shape[0], 2 * height, 2 * width, coarse.shape[3]])
        rows, columns = (fine.shape[axis] or tf.shape(fine)[axis] for axis in (1, 2))
        return fine + enlarged[:, :rows, :columns]

    def compute_output_shape(self, input_shapes):
        return input_shapes[0]
