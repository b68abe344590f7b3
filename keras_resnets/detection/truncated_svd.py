"""The old place of `keras_resnets.surgery.truncated_svd`, for one release."""

from keras_resnets.deprecation import moved_names

__getattr__ = moved_names(__name__, {"truncated_svd": "keras_resnets.surgery.truncated_svd"})
