"""What R-CNN and SPPnet share: fine-tuning by softmax, then linear SVMs and box regressors.

Shapes: see `keras_resnets.detection.region_detector`.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.detection.region_detector import RegionDetector
from keras_resnets.detection.region_losses import LOSS_NAMES


class SVMDetector(RegionDetector):
    """A detector that is trained in stages.

    In the first stage, the network learns to classify regions, by `fit` or `training_losses`; the only term of the loss
    is `region_class`. The other stages run outside of the model, on `linear_features`: a linear SVM for each
    class on the features of regions, and for each class linear functions from the pooled features to the deltas of a
    box. Their weights are those of `linear`. The score of a detection is the sigmoid of the SVM's margin.

    Without SVMs (`svm=False`), there is one stage, whose loss also has the term `region_box`.

    Attributes:
        linear: with SVMs, `keras.Model` from features (N, F) and flat pooled features (N, E) to margins (N, K) and
            deltas (N, K, 4). Its weights are initialized to 0, and `fit` does not change them.
    """

    def __init__(self, num_classes: int, *arguments: Any) -> None:
        super().__init__(num_classes, *arguments)
        if self.options.svm:
            self.linear = linear_model(_size(self.head.input.shape[1:]), _size(self._pooled_shape()), num_classes)
            # The softmax stage does not train boxes: with deltas of 0, a detection has the box of its region.
            deltas = self.head.get_layer("box_deltas")
            deltas.set_weights([0 * weight for weight in deltas.get_weights()])
            self.linear.trainable = deltas.trainable = False

    def linear_features(
        self, features: Sequence[tf.Tensor], pooled: tf.Tensor, image_shapes: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the inputs of `linear`, from the result of `pool_scales`: features (B, R, F) and (B, R, E)."""

        def flat(x):
            return tf.reshape(x, [-1, pooled.shape[1], _size(x.shape[2:])])

        return flat(self.head_features(features, pooled, image_shapes, training)), flat(tf.reduce_max(pooled, axis=2))

    def score_pooled(self, features, pooled, image_shapes, training=False):
        if not self.options.svm:
            return super().score_pooled(features, pooled, image_shapes, training)
        inputs = self.linear_features(features, pooled, image_shapes, training)
        margins, deltas = self.linear([tf.reshape(x, [-1, x.shape[-1]]) for x in inputs])
        shape = [-1, pooled.shape[1], self.num_classes]
        return tf.sigmoid(tf.reshape(margins, shape)), tf.reshape(deltas, [*shape, 4])

    def region_losses(self, *arguments):
        losses = super().region_losses(*arguments)
        return {name: losses[name] for name in self.loss_names}

    @property
    def loss_names(self) -> tuple[str, ...]:
        """The terms of the loss."""
        return LOSS_NAMES[:1] if self.options.svm else LOSS_NAMES


def linear_model(features: int, pooled: int, num_classes: int) -> keras.Model:
    """Returns the linear functions of `SVMDetector`.

    Args:
        features: F, the size of a region's features.
        pooled: E, the size of its flat pooled features.
        num_classes: K.

    Returns:
        A model from features (N, F) and pooled features (N, E) to margins (N, K) and deltas (N, K, 4), with weights 0.
    """
    precise = keras.config.dtype_policy().variable_dtype
    inputs = keras.Input((features,), name="features"), keras.Input((pooled,), name="pooled")

    def dense(x, units, name):
        return keras.layers.Dense(units, kernel_initializer="zeros", dtype=precise, name=name)(x)

    margins = dense(inputs[0], num_classes, "svms")
    deltas = dense(inputs[1], 4 * num_classes, "box_regressors")
    deltas = keras.layers.Reshape((num_classes, 4), dtype=precise, name="deltas_by_class")(deltas)
    return keras.Model(list(inputs), (margins, deltas), name="linear")


def _size(shape: Sequence[int | None]) -> int:
    return tf.TensorShape(shape).num_elements()
