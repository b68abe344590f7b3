"""The old place of `keras_resnets.surgery.truncated_svd`, for one release."""

import warnings
from collections.abc import Callable

from keras_resnets.surgery import truncated_svd as new_place


def __getattr__(name: str) -> Callable:
    if name == "truncated_svd":
        warnings.warn(
            "keras_resnets.detection.truncated_svd is now keras_resnets.surgery.truncated_svd; the next release does "
            "not have the old name.",
            DeprecationWarning,
            stacklevel=2,
        )
        return new_place.truncated_svd
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
