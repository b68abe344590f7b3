"""SavedModels for TensorFlow Serving: writing them, and running them without Keras."""

from keras_resnets.serving.export import export_classifier as export_classifier
from keras_resnets.serving.export import export_detector as export_detector
from keras_resnets.serving.session import SavedModelSession as SavedModelSession
