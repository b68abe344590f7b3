"""Two-stage detectors and localizers, built on the nets."""

from typing import TYPE_CHECKING

from keras_resnets.deprecation import moved_names
from keras_resnets.detection import truncated_svd as truncated_svd
from keras_resnets.detection.options import FasterRCNNOptions as FasterRCNNOptions
from keras_resnets.detection.options import FastRCNNOptions as FastRCNNOptions
from keras_resnets.detection.options import FPNOptions as FPNOptions
from keras_resnets.detection.options import LocalizerOptions as LocalizerOptions
from keras_resnets.detection.options import MaskRCNNOptions as MaskRCNNOptions
from keras_resnets.detection.options import RCNNOptions as RCNNOptions
from keras_resnets.detection.options import RegionOptions as RegionOptions
from keras_resnets.detection.options import SPPNetOptions as SPPNetOptions

if not TYPE_CHECKING:  # Type checkers would accept any name of a module with this function.
    __getattr__ = moved_names(__name__, {"Options": "keras_resnets.detection.FasterRCNNOptions"})
