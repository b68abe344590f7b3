"""What R-CNN and SPPnet have in common: softmax for fine-tuning, then linear SVMs and regressors of boxes.

Shapes: see `keras_resnets.detection.region_detector`.
"""

import keras
import tensorflow as tf

from keras_resnets.detection.fast_rcnn import FastRCNN


class StagedDetector(FastRCNN):
    """A detector that is trained in stages.

    In the first, the network learns to classify regions by `fit` or `training_losses`, whose only term is
    `region_class`. The others are done outside of the model (`trainers.tasks.multi_stage`): one linear SVM a class on
    the features of regions, and for each class linear functions from the pooled features to the corrections of a box.
    They are the weights of `linear`. A detection's score is the sigmoid of the SVM's margin.

    Without SVMs (`svm=False`), there is one stage, with the loss `region_box`, too.

    Attributes:
        linear: with SVMs, `keras.Model` from features (N, F) and pooled features (N, E), flat, to margins (N, K) and
            deltas (N, K, 4); all its weights are 0 at first, and `fit` leaves them alone.
    """

    def __init__(self, num_classes, *arguments, **options):
        super().__init__(num_classes, *arguments, **options)
        if self.options.svm:
            self.linear = linear_model(_size(self.head.input.shape[1:]), _size(self._pooled_shape()), num_classes)
            deltas = self.head.get_layer("box_deltas")  # It is not trained: by softmax, a box is its region.
            deltas.set_weights([0 * weight for weight in deltas.get_weights()])
            self.linear.trainable = deltas.trainable = False

    def describe_twice(self, features, pooled, image_shapes, training=False):
        """Returns features (B, R, F) and pooled features (B, R, E), for the linear functions, of pooled ones."""
        found, count = self.describe(features, pooled, image_shapes, training), pooled.shape[1]
        return (tf.reshape(x, [-1, count, _size(x.shape[2:])]) for x in (found, tf.reduce_max(pooled, axis=2)))

    def score_pooled(self, features, pooled, image_shapes, training=False):
        if not self.options.svm:
            return super().score_pooled(features, pooled, image_shapes, training)
        inputs = self.describe_twice(features, pooled, image_shapes, training)
        margins, deltas = self.linear([tf.reshape(x, [-1, x.shape[-1]]) for x in inputs])
        shape = [-1, pooled.shape[1], self.num_classes]
        return tf.sigmoid(tf.reshape(margins, shape)), tf.reshape(deltas, [*shape, 4])

    def region_losses(self, *arguments):
        losses = super().region_losses(*arguments)
        return {name: losses[name] for name in self.loss_names}

    @property
    def loss_names(self):
        """The terms of the loss."""
        return ("region_class",) if self.options.svm else super().loss_names

    def get_config(self):
        config = super().get_config()
        del config["roi_pooling"]  # They have pooling of their own.
        return config


def linear_model(features, pooled, num_classes):
    """Returns the model of linear functions of features (N, F) and of pooled features (N, E), see `StagedDetector`."""
    precise = keras.config.dtype_policy().variable_dtype
    inputs = keras.Input((features,), name="features"), keras.Input((pooled,), name="pooled")

    def dense(x, units, name):
        return keras.layers.Dense(units, kernel_initializer="zeros", dtype=precise, name=name)(x)

    margins = dense(inputs[0], num_classes, "svms")
    deltas = dense(inputs[1], 4 * num_classes, "box_regressors")
    deltas = keras.layers.Reshape((num_classes, 4), dtype=precise, name="deltas_by_class")(deltas)
    return keras.Model(list(inputs), (margins, deltas), name="linear")


def _size(shape):
    return tf.TensorShape(shape).num_elements()
