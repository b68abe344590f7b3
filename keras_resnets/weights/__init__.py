"""Reading published and saved weights."""

from keras_resnets.weights.loading import load_weights as load_weights
from keras_resnets.weights.loading import preprocessing_of as preprocessing_of
