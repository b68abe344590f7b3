"""What `trainers.benchmark` measures of detection."""

import contextlib
import functools
import importlib.util
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf

from keras_resnets import FasterRCNN
from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.layers import RoIAlign, RoIPooling
from trainers.runtime.measuring import by_computation, in_new_process, in_turns, parameters, peak_gib


def faster_rcnn_resnet101(repeats):
    """FasterRCNN of ResNet-101 and 20 classes on one image of 600x1000: parameters; seconds and GiB of a step."""
    figures = {}
    for name in ("inference", "training"):
        figures[name] = in_new_process(_faster_rcnn, name, repeats)
    return figures


def _faster_rcnn(what, repeats):
    detector, inputs = FasterRCNN(20, backbone="resnet101"), _image()
    targets = {"boxes": tf.constant([[[100.0, 100, 400, 300], [500, 50, 900, 550]]]), "classes": tf.constant([[3, 14]])}
    detector.compile(keras.optimizers.SGD(1e-3, momentum=0.9))
    step = tf.function(detector.train_step if what == "training" else detector)
    argument = (inputs, targets) if what == "training" else inputs
    step(argument)  # Traced before the clock starts.
    start = time.perf_counter()
    for _ in range(repeats):
        step(argument)
    seconds = (time.perf_counter() - start) / repeats
    return {"seconds": seconds, "peak_gib": peak_gib(), "parameters": parameters(detector)}


def inference_rates(backbone, repeats):
    """Returns images/s of a Faster R-CNN's inference on one image of 600x1000: see `by_computation`."""

    def make(precision, jit_compile):
        keras.utils.set_random_seed(0)  # The same weights have as many proposals.
        with dtype_policy_scope(precision):
            detector = FasterRCNN(20, backbone=backbone)
        return functools.partial(tf.function(detector, jit_compile=jit_compile), _image())

    return by_computation(make, 1, repeats)


def _image():
    return {"images": tf.random.uniform((1, 600, 1000, 3), 0, 255), "image_shapes": tf.constant([[600, 1000]])}


def roi(repeats):
    """Seconds of RoIPooling and RoIAlign on two threads, with and without the gradient, and torchvision's."""
    return in_new_process(_roi, repeats)


ROI_STRIDE = 16  # px
ROI_THREADS = 2  # as torchvision_roi.py


def _roi(repeats):
    tf.config.threading.set_intra_op_parallelism_threads(ROI_THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    figures = {"target": "RoIPooling_14: ratio at least 3 forward, at least 2 with the gradient, on two cores"}
    features, rois = _features_and_rois()
    with _torchvision(features, rois) as ask:
        if ask is None:
            figures["torchvision"] = "not installed: pip install '.[parity]' to compare with it"
        for layer, pool_size, backward in itertools.product((RoIPooling, RoIAlign), (14, 7), (False, True)):
            pool = _pooling(layer(pool_size, ROI_STRIDE), backward)
            ours = {"tf_function": tf.function(pool), "xla": tf.function(pool, jit_compile=True)}
            ours = {name: functools.partial(function, features, rois[np.newaxis]) for name, function in ours.items()}
            request = {"layer": layer.__name__, "pool_size": pool_size, "stride": ROI_STRIDE, "backward": backward}
            layouts = () if ask is None else ("contiguous", "channels_last")
            theirs = {layout: functools.partial(ask, layout=layout, **request) for layout in layouts}
            name = f"{layer.__name__}_{pool_size}_{'with_gradient' if backward else 'forward'}"
            figures[name] = _compared(ours, theirs, repeats)
    return figures


def _features_and_rois():
    """Returns ResNet's features (1, 38, 50, 1024) of 608 x 800 px, and regions (300, 4) as an RPN finds them."""
    random, image = np.random.default_rng(0), np.array([800, 608])
    areas = np.exp(random.uniform(np.log(32**2), np.log(512**2), (300, 1)))
    ratios = np.exp(random.uniform(np.log(0.5), np.log(2), (300, 1)))
    sides = np.minimum(np.sqrt(np.concatenate([areas / ratios, areas * ratios], axis=1)), image)
    corners = random.uniform(size=(300, 2)) * (image - sides)
    rois = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    return random.normal(size=(1, 38, 50, 1024)).astype(np.float32), rois


def _pooling(layer, backward):
    """Returns a function of features and regions that pools, and computes the gradient if it is to."""

    def pool(features, rois):
        with tf.GradientTape() as tape:
            tape.watch(features)
            pooled = layer(features, rois)
        return tape.gradient(pooled, features, pooled) if backward else pooled

    return pool


def _compared(ours, theirs, repeats):
    """Returns the median seconds of our functions, of the best of them and, if there are any, of the best of theirs."""
    functions = ours | theirs
    for function in functions.values():
        function()  # Traced before the clock starts.
    seconds = in_turns(functions, repeats)
    figures = {"keras_resnets": min(seconds[name] for name in ours), **{name: seconds[name] for name in ours}}
    if theirs:
        figures["torchvision"] = min(seconds[name] for name in theirs)
        figures["ratio"] = figures["torchvision"] / figures["keras_resnets"]
    return figures


@contextlib.contextmanager
def _torchvision(features, rois):
    """Gives a function of a request that waits until torchvision has done it, or None if it is not installed."""
    if importlib.util.find_spec("torchvision") is None:
        yield None
        return
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        np.savez(file, features=features, rois=rois)
        file.flush()
        # Not with -m: then the package imports TensorFlow first. -P: modules beside the file do not hide others.
        command = [sys.executable, "-P", pathlib.Path(__file__).with_name("torchvision_roi.py"), file.name]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

            def ask(**request):
                print(json.dumps(request), file=process.stdin, flush=True)
                if process.stdout.readline() != "done\n":
                    raise RuntimeError("torchvision_roi.py failed: its error is above.")

            yield ask
