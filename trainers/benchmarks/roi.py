"""The benchmark of RoI pooling, beside torchvision's kernels."""

import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_resnets.layers import RoIAlign, RoIPooling
from trainers.benchmarks.settings import Settings
from trainers.benchmarks.turns import OURS, compare, lacks, pytorch, tensorflow

LAYERS = {"max": RoIPooling, "align": RoIAlign}
STRIDE, REGIONS = 16, 300  # px
PASSES = ("forward", "gradient")
XLA, LAYOUTS = "keras_resnets, XLA", ("contiguous", "channels_last")


def roi(settings: Settings) -> dict:
    """Regions/s of RoI max pooling and RoI align with 14x14 and 7x7 bins, without and with the gradient.

    Here they run without and with XLA, in torchvision with both layouts of memory.
    """
    missing = lacks(settings.peer_python, "torch", "torchvision")
    figures = {} if missing is None else {"torchvision": missing}
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder, "inputs.npz"))
        np.savez(path, **_inputs())
        for row in settings.rows:
            pooling, bins = row.split("_")
            for what in PASSES:
                work, arguments = f"{row} {what}", (path, pooling, int(bins), what)
                contenders = [
                    tensorflow(work, None, OURS, roi_contender, *arguments, False),
                    tensorflow(work, None, XLA, roi_contender, *arguments, True),
                ]
                for layout in LAYOUTS if missing is None else ():
                    script = "pytorch_roi", path, pooling, bins, STRIDE, what, layout
                    contenders.append(pytorch(work, None, f"torchvision, {layout}", settings.peer_python, *script))
                figures |= compare(contenders, settings.repeats, "regions")
    return figures


def roi_contender(
    path: str, pooling: str, bins: int, what: str, jit_compile: bool
) -> tuple[Callable[[], Any], dict[str, float]]:
    """Returns the pooling of the features of a file, and its facts: see `trainers.benchmarks.turns`."""
    with np.load(path) as inputs:
        features, rois = tf.constant(inputs["features"]), tf.constant(inputs["rois"][np.newaxis])
    layer = LAYERS[pooling](bins, STRIDE)

    @tf.function(jit_compile=jit_compile)
    def pool(features, rois):
        with tf.GradientTape() as tape:
            tape.watch(features)
            pooled = layer(features, rois)
        return tape.gradient(pooled, features, pooled) if what == "gradient" else pooled

    return lambda: pool(features, rois)[0, 0, 0, 0].numpy(), {"units": rois.shape[1]}


def _inputs():
    """Returns `features` (1, 38, 50, 1024) of an image of 608x800 pixels, and `rois` (300, 4) like those of an RPN."""
    random, image = np.random.default_rng(0), np.array([800, 608])
    areas = np.exp(random.uniform(np.log(32**2), np.log(512**2), (REGIONS, 1)))
    ratios = np.exp(random.uniform(np.log(0.5), np.log(2), (REGIONS, 1)))
    sides = np.minimum(np.sqrt(np.concatenate([areas / ratios, areas * ratios], axis=1)), image)
    corners = random.uniform(size=(REGIONS, 2)) * (image - sides)
    rois = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    return {"features": random.normal(size=(1, 38, 50, 1024)).astype(np.float32), "rois": rois}
