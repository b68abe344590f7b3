"""What all models that learn from boxes share: their construction, and training by `fit`.

Shapes: see `keras_resnets.detection.region_detector`.
"""

import copy
import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_resnets.detection.backbones import Backbone, classification_net, load_backbone
from keras_resnets.detection.checks import assertions_as_errors, check_arguments, check_inputs, checked_targets
from keras_resnets.detection.options import describe, make_options, with_new_option_names
from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.errors import ArgumentError
from keras_resnets.layers.detections import PADDING
from keras_resnets.layers.image_normalization import ImageNormalization
from keras_resnets.normalization import TORCH
from keras_resnets.surgery.graph import batch_normalizations
from keras_resnets.weights.published import normalization_of, resolve
from keras_resnets.xla import xla_scope

OWN = ("loss", "loss_weights", "metrics", "weighted_metrics")  # arguments of `compile` that a detector has itself


class DetectionModel(keras.Model):
    """A model whose input is a dict of `images`, `image_shapes` and maybe more, and whose parts make its weights."""

    _input_signature: list[dict[str, keras.InputSpec]] | None = None

    def __call__(self, inputs, *args, **kwargs):
        check_inputs(inputs)
        outputs = super().__call__(inputs, *args, **kwargs)
        specs = {name: _spec(value) for name, value in inputs.items()}
        # Keras and TensorFlow would make it a part of the model's state.
        object.__setattr__(self, "_input_signature", [specs])
        return outputs

    def predict_step(self, data):
        """Runs a step of `predict`."""
        with xla_scope(self.jit_compile):
            return super().predict_step(data)

    def export(self, filepath, format="tf_saved_model", verbose=None, input_signature=None, **kwargs):
        """Writes the model as `keras.Model.export` does, for inputs of the shapes and dtypes of the last call.

        `keras_resnets.serving.export_detector` writes models that take images of any size, and resize them.

        Args:
            filepath, format, verbose, **kwargs: see `keras.Model.export`.
            input_signature: of the model's input; None for that of the last call.

        Raises:
            ArgumentError: (a ValueError) without a signature, if the model has not been called.
        """
        signature = input_signature or self._input_signature
        if signature is None:
            raise ArgumentError(
                "input_signature=None is that of the last call, and the model has not been called: call it, or its "
                "predict, with images of the size to export it for."
            )
        return super().export(filepath, format, verbose, signature, **kwargs)


class BoxModel(DetectionModel):
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
        self.num_classes, self.options = num_classes, make_options(options, self._options_class(**others))
        check_arguments(num_classes, backbone, weights, normalization)
        self._config = {
            "num_classes": num_classes,
            "normalization": normalization or backbone_normalization(backbone, weights),
            **{key: _serialized(value) for key, value in {"backbone": backbone, **others}.items()},
        }
        self.normalization = ImageNormalization(**self._config["normalization"], name="normalization")

    def _options_class(self, **others: Any) -> type:
        """Returns the class of the options; `others` are the arguments of the subclass alone."""
        return self.OPTIONS

    def _finish(self, backbone: str | keras.Model, parts: Backbone, weights: str | None) -> None:
        """Loads the weights of the backbone, and freezes its batch normalization if that is not trained."""
        if weights is not None:
            load_backbone(self, classification_net(backbone), resolve(weights, backbone))
        if not self.options.train_batch_norm:
            freeze_batch_normalization(parts.net)
        self._means = {name: keras.metrics.Mean(name) for name in ("loss", *self.loss_names)}
        # Keras takes layers without weights for unbuilt until they are called, and then refuses to quantize the model.
        for layer in self.layers:
            layer.built = layer.built or not layer.weights
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

    def compile(self, *args, **kwargs):
        """Configures `fit`: see `keras.Model.compile`.

        Raises:
            ArgumentError: (a ValueError) for losses or metrics, as the model has its own.
        """
        given = dict(zip(("optimizer", *OWN), args)) | kwargs
        for name in OWN:
            if given.get(name) is not None:
                raise ArgumentError(
                    f"{name}={given[name]!r} cannot be used: a detector has its own losses and metrics "
                    f"({', '.join(self.loss_names)}). Leave it out."
                )
        super().compile(*args, **kwargs)

    def compile_from_config(self, config):
        """Compiles a loaded model. What an older version's file says of losses and metrics never had an effect."""
        config = keras.saving.deserialize_keras_object(config)
        self.compile(**{name: value for name, value in config.items() if name not in OWN})
        self.optimizer.build(self.trainable_variables)

    def fit(self, *args, **kwargs):
        """Trains the model: see `keras.Model.fit`.

        Raises:
            ArgumentError: (a ValueError) for inputs or targets that cannot work.
        """
        with assertions_as_errors():
            return super().fit(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        """Returns the losses: see `keras.Model.evaluate`, and `fit` for errors."""
        with assertions_as_errors():
            return super().evaluate(*args, **kwargs)

    def train_step(self, data):
        """Runs a training step of `fit`."""
        inputs, targets, count = self._batch(data)
        with xla_scope(self.jit_compile), tf.GradientTape() as tape:
            losses = self.training_losses(inputs, targets, self._seeds(inputs, self.optimizer.iterations))
            losses = _of_images(count, losses)
            loss = sum(losses.values()) + sum(self.losses)
            # The optimizer sums gradients over replicas.
            scaled = self.optimizer.scale_loss(loss / tf.distribute.get_strategy().num_replicas_in_sync)
        self.optimizer.apply(
            tape.gradient(scaled, [v.value for v in self.trainable_variables]), self.trainable_variables
        )
        return self._updated_means({"loss": loss, **losses}, count)

    def test_step(self, data):
        """Runs a step of `evaluate`, or of validation in `fit`: the same losses, with the same samples every time."""
        inputs, targets, count = self._batch(data)
        with xla_scope(self.jit_compile):
            losses = self.training_losses(inputs, targets, self._seeds(inputs, 0), training=False)
        losses = _of_images(count, losses)
        return self._updated_means({"loss": sum(losses.values()) + sum(self.losses), **losses}, count)

    def _batch(self, data):
        """Returns the inputs and targets that `fit` was given, and the number of images in them.

        A replica may have no image of the last batch. Then there is one of padding: in TensorFlow 2.21 with oneDNN, a
        convolution gives an empty batch the wrong shape.

        Raises:
            ArgumentError: for sample weights, or missing inputs. Classes outside of 0 .. K - 1 fail in the graph.
        """
        inputs, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
        if weights is not None:
            raise ArgumentError("sample_weight cannot be used for a detector: leave it out.")
        check_inputs(inputs)
        count = tf.shape(inputs["images"])[0]
        targets = checked_targets(targets, self.num_classes)
        inputs = {name: _never_empty(value, 1) for name, value in inputs.items()}
        targets = {name: _never_empty(value, PADDING) for name, value in targets.items()}
        return inputs, targets, count

    def _updated_means(self, losses, count):
        for name, loss in losses.items():
            self._means[name].update_state(loss, sample_weight=count)
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


def _spec(value):
    value = value if hasattr(value, "dtype") else np.asarray(value)
    return keras.InputSpec(shape=(None, *value.shape[1:]), dtype=keras.backend.standardize_dtype(value.dtype))


def _never_empty(tensor, padding):
    """Returns a tensor (B, ...), or one row of padding if B is 0."""
    tensor = tf.convert_to_tensor(tensor)
    if tensor.shape[0] is not None:
        return tensor
    shape = tf.concat([[1], tf.shape(tensor)[1:]], axis=0)
    filled = tf.cond(
        tf.equal(tf.shape(tensor)[0], 0), lambda: tf.fill(shape, tf.cast(padding, tensor.dtype)), lambda: tensor
    )
    return tf.ensure_shape(filled, tensor.shape)


def _of_images(count, losses):
    """Returns the terms of a loss, or zeros where there are no images but padding."""
    return {name: tf.cast(count > 0, loss.dtype) * loss for name, loss in losses.items()}


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
