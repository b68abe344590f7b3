"""What an export holds, in constants that need no TensorFlow."""

FILES = {"onnx": "model.onnx", "litert": "model.tflite"}  # of portable formats
MAX_PIXELS = 25_000_000  # of an encoded image: 75 MB decoded, and 300 MB as the float32 that it is resized from
