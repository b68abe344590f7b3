"""SavedModels for TensorFlow Serving: export, sessions without Keras, and clients of a server."""

from keras_resnets.serving.client import GrpcClient as GrpcClient
from keras_resnets.serving.client import RestClient as RestClient
from keras_resnets.serving.client import ServerError as ServerError
from keras_resnets.serving.export import export_classifier as export_classifier
from keras_resnets.serving.export import export_detector as export_detector
from keras_resnets.serving.export import export_localizer as export_localizer
from keras_resnets.serving.files import predict_files as predict_files
from keras_resnets.serving.portable import export_portable as export_portable
from keras_resnets.serving.session import SavedModelSession as SavedModelSession
