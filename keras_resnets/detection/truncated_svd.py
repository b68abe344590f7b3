"""The old place of `keras_resnets.surgery.truncated_svd`, for one release."""

import warnings
from collections.abc import Callable


def __getattr__(name: str) -> Callable:
    if name == "truncated_svd":
        warnings.warn(
            "keras_resnets.detection.truncated_svd is now keras_resnets.surgery.truncated_svd; the next release does "
            "not have the old name.",
            DeprecationWarning,
            stacklevel=2,
        )
        from keras_resnets.surgery.truncated_svd import truncated_svd  # It loads Keras, and the options do not.

        return truncated_svd
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
