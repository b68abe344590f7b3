"""Constants of exports, in a module that does not load TensorFlow."""

FILES = {"onnx": "model.onnx", "litert": "model.tflite"}  # by format of `export_portable`
MAX_PIXELS = 25_000_000  # of an encoded image: 75 MB decoded, for each image of a batch
