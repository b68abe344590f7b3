"""Parts of deep nets that share a function."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tasks import with_dropout

import keras_resnets
from keras_resnets.surgery import without_batch_normalization
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


def number_of_repeats(model):
    return sum(part.repeats for part in repetition.parts_of(model))


def step_of(model, call, jit_compile=False):
    @tf.function(jit_compile=jit_compile)
    def step():
        handles = [tf.convert_to_tensor(variable.value.handle) for variable in model.trainable_variables]
        outputs = call(tf.random.stateless_normal((2, 32, 32, 3), seed=(0, 0)), training=True)
        return outputs, tf.gradients(tf.reduce_mean(tf.square(outputs)), handles)

    return step


def assert_equal(again, plain, tolerance):
    for actual, expected in zip(again, plain, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max())


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
        results.append(([outputs, *(variable.value for variable in model.non_trainable_variables)], gradients))
    (plain, plain_gradients), (again, gradients) = results
    # XLA fuses other operations of a part than of a net; a part's sums of gradients are in another order.
    assert_equal(again, plain, tolerance=1e-4 if jit_compile else 0)
    assert_equal(gradients, plain_gradients, tolerance=1e-4 if jit_compile else 1e-5)


def test_repeated_parts_are_traced_once():
    def convolutions(call_of):
        model = small_net()
        graph = step_of(model, call_of(model)).get_concrete_function().graph
        return sum(operation.type == "Conv2D" for operation in graph.get_operations())

    assert convolutions(repeated) < convolutions(lambda model: model) / 2


def freeze_layer(layer):
    layer.trainable = False


def freeze_gamma(layer):
    layer.gamma.trainable = False


@pytest.mark.parametrize("freeze", [freeze_layer, freeze_gamma])
def test_a_part_that_differs_is_its_own(freeze, without_weights):
    model = small_net()
    same = number_of_repeats(model)
    freeze(model.get_layer("conv2_block4_2_bn"))  # Of two equal parts, one is not equal any more.
    assert number_of_repeats(model) == same - 2


def test_parts_with_as_many_frozen_weights_are_not_equal_if_these_are_others(without_weights):
    model = small_net()
    same = number_of_repeats(model)
    model.get_layer("conv2_block4_2_bn").gamma.trainable = False
    model.get_layer("conv2_block6_2_bn").beta.trainable = False
    assert number_of_repeats(model) < same


class Scaled(keras.layers.Layer):
    """A layer whose configuration does not tell its factor."""

    factor = 1.0

    def call(self, inputs):
        return inputs * self.factor


class WithoutConfiguration(Scaled):
    """A layer that cannot be saved."""

    def get_config(self):
        raise NotImplementedError


def scaled(layer, factor):
    layer.factor = factor
    return layer


def times(factor):
    return lambda inputs: inputs * factor


ACTIVATIONS = ["relu", "tanh", "sigmoid", "elu"]
DIFFERENT_LAYERS = {  # functions from the number of a unit to its layer
    "names_that_are_values": lambda i: keras.layers.Dense(4, activation=ACTIVATIONS[i], name=ACTIVATIONS[i]),
    "attributes_that_are_not_configuration": lambda i: scaled(Scaled(), i),
    "layers_without_configuration": lambda i: scaled(WithoutConfiguration(), i),
    "functions_with_closures": lambda i: keras.layers.Activation(times(i)),
    "lambdas": lambda i: keras.layers.Lambda(times(i)),
}


@pytest.mark.parametrize("layer_of", DIFFERENT_LAYERS.values(), ids=DIFFERENT_LAYERS)
def test_units_that_compute_different_things_do_not_share_a_function(layer_of, without_weights):
    outputs = inputs = keras.Input([4])
    for unit in range(4):
        outputs = keras.layers.Activation("linear", name=f"unit{unit}_out")(layer_of(unit)(outputs))
    assert number_of_repeats(keras.Model(inputs, outputs)) == 0


def branches():
    inputs = keras.Input([8, 8, 3])
    ends = []
    for name in "ab":
        x = keras.layers.Conv2D(4, 3, name=f"{name}_conv")(inputs)
        ends.append(keras.layers.ReLU(name=f"{name}_out")(x))
    return keras.Model(inputs, keras.layers.Add()(ends))


def shared_layer():
    inputs = keras.Input([8, 8, 3])
    layer = keras.layers.BatchNormalization()
    x = keras.layers.ReLU(name="a_out")(layer(inputs))
    return keras.Model(inputs, keras.layers.ReLU(name="b_out")(layer(x)))


def layers_of_another_net():
    net = keras_resnets.CifarResNet(20, filters=(4, 4, 4), classifier_activation=None)
    inputs = keras.Input([16, 16, 4])
    outputs = net.get_layer("conv2_block1_out")(inputs)
    return keras.Model(inputs, net.get_layer("conv2_block2_out")(outputs))


@pytest.mark.parametrize("build", [branches, shared_layer, layers_of_another_net])
@pytest.mark.parametrize("forward", [repeated, rematerialized])
def test_a_net_that_cannot_be_cut_is_trained_as_one_part(build, forward):
    results = []
    for call_of in (lambda model: model, forward):
        keras.utils.set_random_seed(0)
        model = build()
        images = keras.random.normal((2, *model.input.shape[1:]), seed=0)
        outputs = tf.function(call_of(model))(images, training=True)
        results.append([outputs, *(variable.value for variable in model.variables)])
    for plain, again in zip(*results, strict=True):
        np.testing.assert_array_equal(again, plain)


def test_layers_of_keras_that_keep_no_configuration_are_trained():
    image = x = keras.Input((3,))
    for i in range(6):
        x = keras.layers.Identity(dtype=keras.DTypePolicy("float32"), name=f"unit{i}_out")(x)
    assert number_of_repeats(keras.Model(image, x)) == 0


def test_nets_without_batch_normalization_share_functions(without_weights):
    net = without_batch_normalization(keras_resnets.CifarResNet(38, filters=(4, 4, 4)))
    assert number_of_repeats(net) > 2
    net.to_json()  # as a `.keras` file has it


def test_rematerialization_takes_nets_with_one_output():
    inputs = keras.Input([4])
    outputs = [keras.layers.Dense(2)(inputs) for _ in range(2)]
    with pytest.raises(keras_resnets.ArgumentError, match="--remat takes functional nets with one input and one out"):
        rematerialized(keras.Model(inputs, outputs))


@pytest.mark.parametrize("forward", [repeated, rematerialized])
def test_frozen_weights_are_not_assigned(forward):
    model = small_net()
    model.trainable = False
    call = tf.function(forward(model)).get_concrete_function(tf.zeros((2, 32, 32, 3)), training=True)
    functions = call.graph.as_graph_def().library.function
    nodes = [*call.graph.as_graph_def().node, *(node for function in functions for node in function.node_def)]
    # Dropout moves its random generator.
    assert sum(node.op == "AssignVariableOp" for node in nodes) == 1


@pytest.mark.parametrize("build", [keras_resnets.ResNet18, keras_resnets.GoogLeNet])
def test_a_net_without_repeats_is_itself(build, monkeypatch, without_weights):
    monkeypatch.setattr(repetition, "REPEATS", 8)
    model = build(weights=None, classes=3)
    assert repeated(model) is model
