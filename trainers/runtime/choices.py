"""Values of flags that are in no table of recipes, data sets or nets.

Commands check their flags before they load TensorFlow, and the modules that use these values import it.
"""

import math

from keras_resnets.serving.formats import MAX_PIXELS

DISTRIBUTIONS = ("one_device", "mirrored", "multi_worker", "tpu")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")  # Keras's dtype policies
AUTO = "auto"  # of --jit_compile: the faster choice, which is measured
BALANCED = "balanced"  # of --class_weights and --sampling: all classes count the same
SAMPLINGS = ("uniform", BALANCED)
OLDER_SPLITS = ("val", "test")  # Runs that recorded no split were measured with the first of them that there was.
BOX_AUGMENTATIONS = (  # the rows of trainers.data.augmentation.detection
    "none",
    "flip",
    "scale_jitter_and_flip",
    "crop_and_color",
    "large_scale_jitter",
    "large_scale_jitter_and_flip",
    "iou_crop",
    "iou_crop_and_flip",
    "photometric_distortion",
    "photometric_distortion_and_flip",
    "distorted_iou_crop",
    "distorted_iou_crop_and_flip",
)
ON_NAN = ("stop", "skip_step")
LARGEST_SIDE = math.isqrt(MAX_PIXELS)  # px, of square images: an export would not take larger ones

SAVED_MODEL = "saved_model"  # the format of an export for TensorFlow Serving
WEIGHTS = "weights"  # the format of an export for --init_weights and for builders' weights=
WEIGHT_FILE = "model.weights.h5"  # the file of such an export
EXPORT_PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}  # dtype policies; probabilities stay float32
SHOWN_SCORE = 0.5  # the lowest score of a detection in pictures and tables
