"""Sets of values that arguments can have, with their names in error messages. They need no TensorFlow."""

import dataclasses
import numbers
from collections.abc import Callable
from typing import Any

from keras_resnets.errors import ArgumentError

LARGEST = 3.4028234663852886e38  # of float32, which models compute with


@dataclasses.dataclass(frozen=True)
class Values:
    """A set of values, and its description in an error message."""

    text: str
    contain: Callable[[Any], bool]

    def check(self, argument: str, value: Any) -> None:
        """Raises ArgumentError if an argument's value is not in the set."""
        if not self.contain(value):
            raise ArgumentError(f"{argument}={value!r} must be {self.text}.")


def is_number(value: Any) -> bool:
    """Returns whether a value is a real number, of Python or NumPy."""
    return isinstance(value, numbers.Real)


def is_finite(value: Any) -> bool:
    """Returns whether a value is a real number, and finite as float32 as well."""
    return is_number(value) and -LARGEST <= value <= LARGEST


def is_integer(value: Any) -> bool:
    """Returns whether a value is an integer, of Python or NumPy; True and False are none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


BOOLEAN = Values("True or False", lambda value: isinstance(value, bool))
FINITE = Values("a finite number, also as float32", is_finite)
POSITIVE = Values("a positive number, finite as float32", lambda value: is_finite(value) and value > 0)
NON_NEGATIVE = Values("a number from 0 on, finite as float32", lambda value: is_finite(value) and value >= 0)
FRACTION = Values("a number in [0, 1]", lambda value: is_finite(value) and 0 <= value <= 1)
RATE = Values("a number in [0, 1)", lambda value: is_finite(value) and 0 <= value < 1)
POSITIVE_INTEGER = Values("a positive integer", lambda value: is_integer(value) and value > 0)
NON_NEGATIVE_INTEGER = Values("an integer from 0 on", lambda value: is_integer(value) and value >= 0)


def integer_in(low: int, high: int) -> Values:
    """Returns the integers from `low` to `high`, both included."""
    return Values(f"an integer from {low} to {high}", lambda value: is_integer(value) and low <= value <= high)


def one_of(*names: str) -> Values:
    """Returns a set of names."""
    return Values(", ".join(map(repr, names)), lambda value: isinstance(value, str) and value in names)


def list_of(values: Values, count: int | None = None) -> Values:
    """Returns the tuples of `values`, of a given length or, without one, of any length but 0."""

    def contain(value):
        return isinstance(value, tuple) and len(value) == (count or len(value) or 1) and all(map(values.contain, value))

    return Values(f"a list{f' of {count}' if count else ''}, each {values.text}", contain)
