"""Reading published and saved weights."""

from keras_resnets.weights.loading import load_weights as load_weights
