"""The values of flags, beside the tables of recipes, data sets and nets.

They stand apart from the code that heeds them, since a command checks its flags before it loads TensorFlow.
"""

DISTRIBUTIONS = ("one_device", "mirrored", "multi_worker", "tpu")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")  # Keras's dtype policies
AUTO = "auto"  # --jit_compile: what is faster, which is measured
ON_NAN = ("stop", "skip_step")

SAVED_MODEL = "saved_model"  # the format of an export for TensorFlow Serving
EXPORT_PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}  # dtype policies; probabilities stay float32
SHOWN_SCORE = 0.5  # Detections with at least this score are shown.
