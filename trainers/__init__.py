"""Command lines that train, evaluate, export and use the nets of `keras_resnets`."""

import os

# TensorFlow reads it when it is imported: without it, every command starts with a page of messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
