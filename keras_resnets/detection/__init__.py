"""Parts of two-stage detectors."""

from keras_resnets.detection.options import Options as Options
