"""TensorFlow's errors in words. Data, memory and machines that fail in a training are tested with the loop."""

import pytest
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from trainers.runtime.failures import ASSERTION, explained, naming


def test_an_assertion_for_the_user_is_shown_as_it_is():
    def check(count):
        message = f"{ASSERTION}an image has more boxes than --max_boxes=2: pass a larger one."
        with tf.control_dependencies([tf.debugging.assert_less_equal(count, tf.constant(2, tf.int64), message)]):
            return tf.identity(count)

    counts = tf.data.Dataset.range(1, 4).map(check)
    with pytest.raises(ArgumentError) as error, explained(several_machines=False):
        list(counts)
    assert str(error.value) == "an image has more boxes than --max_boxes=2: pass a larger one."


@pytest.mark.parametrize("several_machines", [False, True])
def test_a_lost_machine_is_one_of_several(several_machines):
    expected = ArgumentError if several_machines else tf.errors.UnavailableError
    with pytest.raises(expected, match="Socket closed"), explained(several_machines):
        raise tf.errors.UnavailableError(None, None, "Socket closed\nAdditional information")


def test_errors_of_the_code_stay_what_they_are():
    with pytest.raises(tf.errors.InvalidArgumentError, match="shape"), explained(several_machines=True):
        tf.reshape(tf.zeros(4), [3])


def test_errors_about_a_value_name_its_flag():
    with pytest.raises(ArgumentError, match="^--svd_ranks: ranks=0 must be positive$"):
        with naming("--svd_ranks", about="ranks"):
            raise ArgumentError("ranks=0 must be positive")
    with pytest.raises(ArgumentError, match="^version=0 is not positive$"), naming("--svd_ranks", about="ranks"):
        raise ArgumentError("version=0 is not positive")
