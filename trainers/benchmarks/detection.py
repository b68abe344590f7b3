"""Benchmarks of detectors and of RoI pooling."""

import contextlib
import functools
import importlib.util
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np
import tensorflow as tf

from keras_resnets import FasterRCNN
from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.layers import RoIAlign, RoIPooling
from trainers.benchmarks.peers.step_server import peak_gib
from trainers.benchmarks.settings import Settings
from trainers.runtime.measuring import by_computation, ended, in_new_process, in_turns, parameters

ROI_STRIDE = 16  # px
ROI_THREADS = 2


def faster_rcnn_resnet101(settings: Settings) -> dict:
    """Seconds and peak GiB of Faster R-CNN with ResNet-101 on an image of 600x1000, and its parameters."""
    return {what: in_new_process(_faster_rcnn, what, settings.repeats) for what in ("inference", "training")}


def _faster_rcnn(what, repeats):
    detector, inputs = FasterRCNN(20, backbone="resnet101"), _image()
    targets = {"boxes": tf.constant([[[100.0, 100, 400, 300], [500, 50, 900, 550]]]), "classes": tf.constant([[3, 14]])}
    detector.compile(keras.optimizers.SGD(1e-3, momentum=0.9))
    if what == "training":
        step = functools.partial(tf.function(detector.train_step), (inputs, targets))
    else:
        step = functools.partial(tf.function(detector), inputs)
    step()  # traces the function
    seconds = in_turns({"step": step}, repeats)["step"]
    return {"seconds": seconds, "peak_gib": peak_gib(), "parameters": parameters(detector)}


def inference_rates(backbone: str, repeats: int) -> dict[str, float]:
    """Returns images/s of Faster R-CNN's inference on an image of 600x1000: see `by_computation`.

    Args:
        backbone: name in the registry.
        repeats: number of calls that are timed for each computation.
    """

    def make(precision, jit_compile):
        keras.utils.set_random_seed(0)  # The number of proposals depends on the weights.
        with dtype_policy_scope(precision):
            detector = FasterRCNN(20, backbone=backbone)
        return functools.partial(tf.function(detector, jit_compile=jit_compile), _image())

    return by_computation(make, 1, repeats)


def _image():
    """Returns the inputs of a detector for a random image."""
    return {"images": tf.random.uniform((1, 600, 1000, 3), 0, 255), "image_shapes": tf.constant([[600, 1000]])}


def roi(settings: Settings) -> dict:
    """Seconds of RoIPooling and RoIAlign here and in torchvision, on two threads, with and without the gradient."""
    return in_new_process(_roi, settings.repeats)


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
    """Returns features (1, 38, 50, 1024) of an image of 608x800 pixels, and regions (300, 4) like those of an RPN."""
    random, image = np.random.default_rng(0), np.array([800, 608])
    areas = np.exp(random.uniform(np.log(32**2), np.log(512**2), (300, 1)))
    ratios = np.exp(random.uniform(np.log(0.5), np.log(2), (300, 1)))
    sides = np.minimum(np.sqrt(np.concatenate([areas / ratios, areas * ratios], axis=1)), image)
    corners = random.uniform(size=(300, 2)) * (image - sides)
    rois = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    return random.normal(size=(1, 38, 50, 1024)).astype(np.float32), rois


def _pooling(layer, backward):
    """Returns the function of features and regions that pools or, if `backward`, also computes the gradient."""

    def pool(features, rois):
        with tf.GradientTape() as tape:
            tape.watch(features)
            pooled = layer(features, rois)
        return tape.gradient(pooled, features, pooled) if backward else pooled

    return pool


def _compared(ours, theirs, repeats):
    """Returns the median seconds of each of our functions, and of the fastest here and, if any, in torchvision."""
    functions = ours | theirs
    in_turns(functions, 1)  # traces the functions
    seconds = in_turns(functions, repeats)
    figures = {"keras_resnets": min(seconds[name] for name in ours), **{name: seconds[name] for name in ours}}
    if theirs:
        figures["torchvision"] = min(seconds[name] for name in theirs)
        figures["ratio"] = figures["torchvision"] / figures["keras_resnets"]
    return figures


@contextlib.contextmanager
def _torchvision(features, rois):
    """Yields a function that lets torchvision pool once, see `torchvision_roi.pool`, or None without torchvision."""
    if importlib.util.find_spec("torchvision") is None:
        yield None
        return
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        np.savez(file, features=features, rois=rois)
        file.flush()
        # By its path, since -m would import this package, and with it TensorFlow. -P: files beside it do not hide
        # modules of the same name.
        script = pathlib.Path(__file__).with_name("torchvision_roi.py")
        command = [sys.executable, "-P", script, file.name, str(ROI_THREADS)]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        with subprocess.Popen(command, **pipes, text=True) as process:

            def ask(**request):
                with contextlib.suppress(BrokenPipeError):  # It has ended.
                    print(json.dumps(request), file=process.stdin, flush=True)
                if process.stdout.readline() != "done\n":
                    _, errors = process.communicate()
                    raise ended("torchvision", process.returncode, errors)

            yield ask
