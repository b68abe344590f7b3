"""Activations that are computed again."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tasks import with_dropout

import keras_resnets
from trainers.engine.rematerialization import rematerialized

pytestmark = pytest.mark.numerics


def one_step(call, model, images, jit_compile):
    @tf.function(jit_compile=jit_compile)
    def run():
        with tf.GradientTape() as tape:
            outputs = call(images, training=True)
            loss = tf.reduce_mean(tf.square(outputs))
        return outputs, tape.gradient(loss, model.trainable_variables)

    return run()


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("freeze", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_gradients_are_the_same_and_statistics_and_generators_move_once(jit_compile, freeze):
    images = tf.random.normal((4, 32, 32, 3), seed=0)
    results = []
    for remat in (False, True):
        keras.utils.set_random_seed(0)
        model = with_dropout(keras_resnets.CifarResNet(20, classifier_activation=None))
        if freeze:
            for layer in model.layers[:10]:
                layer.trainable = False
        before = [variable.numpy() for variable in model.non_trainable_variables]
        outputs, gradients = one_step(rematerialized(model) if remat else model, model, images, jit_compile)
        results.append((outputs, gradients, [variable.numpy() for variable in model.non_trainable_variables]))
    for plain, again in zip(tf.nest.flatten(results[0]), tf.nest.flatten(results[1]), strict=True):
        scale = np.abs(plain).max()
        np.testing.assert_allclose(again, plain, rtol=1e-3, atol=1e-4 * scale)
    assert any(np.any(now != then) for now, then in zip(results[1][2], before, strict=True))


def test_fewer_activations_are_kept():
    def kept(remat):
        model = keras_resnets.CifarResNet(32, classifier_activation=None)
        call = rematerialized(model) if remat else model
        images = tf.random.normal((2, 32, 32, 3))

        @tf.function
        def run():
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(call(images, training=True))
            return tape.gradient(loss, model.trainable_variables)

        # Convolutions are computed once more in the backward pass, but for those of the last segment's end.
        return sum(op.type == "Conv2D" for op in run.get_concrete_function().graph.get_operations())

    assert kept(True) > 1.9 * kept(False)
