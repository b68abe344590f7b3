"""Keras layers that Keras does not have."""

from keras_resnets.layers.zero_padded_shortcut import ZeroPaddedShortcut as ZeroPaddedShortcut
