"""Parts of deep nets that share a function."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tasks import with_dropout

import keras_resnets
from trainers.engine import repetition
from trainers.engine.rematerialization import rematerialized
from trainers.engine.repetition import repeated

pytestmark = pytest.mark.numerics


@pytest.fixture(autouse=True)
def _few_repeats(monkeypatch):
    monkeypatch.setattr(repetition, "REPEATS", 2)


def small_net(**arguments):
    keras.utils.set_random_seed(0)
    return with_dropout(keras_resnets.CifarResNet(38, filters=(4, 4, 4), classifier_activation=None, **arguments))


def step_of(model, call, jit_compile=False):
    @tf.function(jit_compile=jit_compile)
    def step():
        handles = [tf.convert_to_tensor(variable.value.handle) for variable in model.trainable_variables]
        outputs = call(tf.random.stateless_normal((2, 32, 32, 3), seed=(0, 0)), training=True)
        return outputs, tf.gradients(tf.reduce_mean(tf.square(outputs)), handles)

    return step


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("forward", [repeated, rematerialized])
@pytest.mark.parametrize("activation_order", ["original", pytest.param("full_pre_activation", marks=pytest.mark.slow)])
def test_results_gradients_and_state_are_those_of_the_model(forward, activation_order, jit_compile):
    results = []
    for call_of in (lambda model: model, forward):
        model = small_net(activation_order=activation_order)
        for layer in model.layers[:10]:
            layer.trainable = False
        outputs, gradients = step_of(model, call_of(model), jit_compile)()
        results.append([outputs, *gradients, *(variable.value for variable in model.non_trainable_variables)])
    for plain, again in zip(*results, strict=True):
        scale = np.abs(plain).max()
        np.testing.assert_allclose(again, plain, rtol=1e-3, atol=1e-4 * scale)


def test_repeated_parts_are_traced_once():
    def convolutions(call_of):
        model = small_net()
        graph = step_of(model, call_of(model)).get_concrete_function().graph
        return sum(operation.type == "Conv2D" for operation in graph.get_operations())

    assert convolutions(repeated) < convolutions(lambda model: model) / 2


def test_a_part_that_differs_is_its_own():
    model = small_net()
    same = sum(part.repeats for part in repetition.parts_of(model))
    model.get_layer("conv2_block4_2_bn").trainable = False  # Of two equal parts, one is not equal any more.
    assert sum(part.repeats for part in repetition.parts_of(model)) == same - 2


@pytest.mark.parametrize("build", [keras_resnets.ResNet18, keras_resnets.GoogLeNet])
def test_a_net_without_repeats_is_itself(build, monkeypatch):
    monkeypatch.setattr(repetition, "REPEATS", 8)
    model = build(weights=None, classes=3)
    assert repeated(model) is model
