"""Two-stage detectors and localizers, built on the nets."""

from keras_resnets.detection import truncated_svd as truncated_svd
from keras_resnets.detection.options import FastRCNNOptions as FastRCNNOptions
from keras_resnets.detection.options import LocalizerOptions as LocalizerOptions
from keras_resnets.detection.options import Options as Options
from keras_resnets.detection.options import RCNNOptions as RCNNOptions
from keras_resnets.detection.options import RegionOptions as RegionOptions
from keras_resnets.detection.options import SPPNetOptions as SPPNetOptions
