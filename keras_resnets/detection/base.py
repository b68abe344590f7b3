"""What all models that learn from boxes share: their construction, and training by `fit`.

Shapes: see `keras_resnets.detection.region_detector`.
"""

import copy
import dataclasses
import inspect
import numbers
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.detection.backbones import classification_net, load_backbone
from keras_resnets.detection.options import describe, make_options, with_new_option_names
from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.errors import ArgumentError
from keras_resnets.layers.image_normalization import ImageNormalization
from keras_resnets.normalization import TORCH
from keras_resnets.surgery.graph import batch_normalizations
from keras_resnets.weights.published import normalization_of, resolve


class BoxModel(keras.Model):
    """A model on the trunk of a classification net.

    A subclass defines `loss_names`, the terms of its loss, and `OPTIONS`, the class of its options. Its constructor
    makes its parts and then calls `_finish`. It implements `call` and `training_losses`.

    Arguments, attributes and errors: see `keras_resnets.FasterRCNN`.
    """

    OPTIONS: type

    def __init_subclass__(cls, **kwargs):
        """Appends the options to the docstring of a model."""
        super().__init_subclass__(**kwargs)
        if "OPTIONS" in cls.__dict__ and cls.__doc__:
            cls.__doc__ = f"{inspect.cleandoc(cls.__doc__)}\n\nOptions:\n{describe(cls.OPTIONS)}\n"

    def __init__(
        self,
        num_classes: int,
        backbone: str | keras.Model,
        weights: str | None,
        normalization: Mapping[str, Any] | None,
        name: str,
        options: Mapping[str, Any],
        **others: Any,
    ):
        super().__init__(autocast=False, name=name)
        self.num_classes, self.options = num_classes, make_options(options, self.OPTIONS)
        _check(num_classes, backbone, weights, normalization)
        self._config = {
            "num_classes": num_classes,
            "normalization": normalization or backbone_normalization(backbone, weights),
            **{key: _serialized(value) for key, value in {"backbone": backbone, **others}.items()},
        }
        self.normalization = ImageNormalization(**self._config["normalization"], name="normalization")

    def _finish(self, backbone: str | keras.Model, weights: str | None) -> None:
        """Loads the weights of the backbone, and freezes batch normalization if it is not trained."""
        if weights is not None:
            load_backbone(self, classification_net(backbone), resolve(weights, backbone))
        if not self.options.train_batch_norm:
            freeze_batch_normalization(self)
        self._means = {name: keras.metrics.Mean(name) for name in ("loss", *self.loss_names)}
        self.built = True

    @property
    def loss_names(self) -> tuple[str, ...]:
        """The terms of the loss."""
        raise NotImplementedError

    @property
    def metrics(self) -> list[keras.Metric]:
        """The means of the loss and of its terms over an epoch."""
        return [*self._means.values()]

    def training_losses(
        self,
        inputs: Mapping[str, tf.Tensor],
        targets: Mapping[str, tf.Tensor],
        seeds: tf.Tensor,
        training: bool = True,
    ) -> dict[str, tf.Tensor]:
        """Returns the terms of the loss, each a mean over the batch.

        Args:
            inputs: the model's input.
            targets: dict of `boxes` (B, G, 4) and `classes` (B, G), both padded with -1. An image may have no object.
            seeds: (B, 2) integers, the seeds of the random samples to learn from. The sample of an image depends only
                on its own seed.
            training: whether dropout and, if it is trained, batch normalization run in training mode.

        Returns:
            Dict of float32 scalars by the names in `loss_names`. The loss is their sum.
        """
        raise NotImplementedError

    def train_step(self, data):
        """Runs a training step of `fit`."""
        inputs, targets = _inputs_and_targets(data)
        with tf.GradientTape() as tape:
            losses = self.training_losses(inputs, targets, self._seeds(inputs, self.optimizer.iterations))
            loss = sum(losses.values()) + sum(self.losses)
            # The optimizer sums gradients over replicas.
            scaled = self.optimizer.scale_loss(loss / tf.distribute.get_strategy().num_replicas_in_sync)
        self.optimizer.apply(
            tape.gradient(scaled, [v.value for v in self.trainable_variables]), self.trainable_variables
        )
        return self._updated_means({"loss": loss, **losses}, inputs)

    def test_step(self, data):
        """Runs a step of `evaluate`, or of validation in `fit`: the same losses, with the same samples every time."""
        inputs, targets = _inputs_and_targets(data)
        losses = self.training_losses(inputs, targets, self._seeds(inputs, 0), training=False)
        return self._updated_means({"loss": sum(losses.values()) + sum(self.losses), **losses}, inputs)

    def _updated_means(self, losses, inputs):
        for name, loss in losses.items():
            self._means[name].update_state(loss, sample_weight=tf.shape(inputs["images"])[0])
        return {name: mean.result() for name, mean in self._means.items()}

    def _seeds(self, inputs, step):
        """Returns seeds (B, 2) int32 that differ between steps, and between the images of all replicas."""
        batch = tf.shape(inputs["images"])[0]
        replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int32)
        images = replica * batch + tf.range(batch)
        return tf.stack([tf.fill([batch], tf.cast(step, tf.int32)), images], axis=1)

    def get_config(self):
        dtype = keras.dtype_policies.serialize(self.dtype_policy)
        # Keras modifies the dicts that it deserializes.
        return {**copy.deepcopy(self._config), "name": self.name, "dtype": dtype, **dataclasses.asdict(self.options)}

    @classmethod
    def from_config(cls, config):
        config = with_new_option_names(config)  # The file may be of an older version.
        # The parts are made anew, under the dtype policy of the saved model.
        with dtype_policy_scope(keras.dtype_policies.get(config.pop("dtype"))):
            objects = {
                key: keras.saving.deserialize_keras_object(config[key])
                for key in ("backbone", "roi_pooling")
                if isinstance(config.get(key), dict)
            }
            return cls(**{**config, **objects})


def _serialized(value):
    return value if isinstance(value, str) else keras.saving.serialize_keras_object(value)


def _inputs_and_targets(data):
    """Returns the inputs and targets that `fit` was given; raises ArgumentError for sample weights."""
    inputs, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
    if weights is not None:
        raise ArgumentError("sample_weight cannot be used for a detector: leave it out.")
    return inputs, targets


def _check(num_classes, backbone, weights, normalization):
    if normalization is not None and not {"mean", "std"} <= set(normalization) <= {"mean", "std", "bgr"}:
        raise ArgumentError(f"normalization={normalization!r} must be a dict of mean and std, and optionally bgr.")
    if not isinstance(num_classes, numbers.Integral) or num_classes is True or num_classes < 1:
        raise ArgumentError(f"num_classes={num_classes!r} must be a positive integer (without the background).")
    if weights is not None and not isinstance(backbone, str):
        raise ArgumentError(f"weights={weights!r} are for a backbone given by its name: load them into the net.")


def backbone_normalization(backbone: str | keras.Model, weights: str | None) -> dict[str, Any]:
    """Returns the arguments of `ImageNormalization` that the weights of a backbone need.

    Args:
        backbone: the `backbone` of a model.
        weights: its `weights`; None for ImageNet's statistics.
    """
    known = None if weights is None else normalization_of(backbone, weights)
    return dataclasses.asdict(known or TORCH)


def freeze_batch_normalization(model: keras.Model) -> None:
    """Freezes the weights and statistics of all batch normalization of a model."""
    for layer in batch_normalizations(model):
        layer.trainable = False
