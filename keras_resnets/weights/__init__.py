"""Loading published and saved weights."""

from keras_resnets.weights.loading import load_keras_applications as load_keras_applications
from keras_resnets.weights.loading import load_torch as load_torch
from keras_resnets.weights.loading import load_weights as load_weights
