"""Box regression for each class, by ridge regression (R-CNN, arXiv 1311.2524, appendix C)."""

import pathlib
from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import Ridge

from keras_resnets.ops import boxes
from trainers.runtime.atomic_files import read_arrays, write_arrays
from trainers.tasks.multi_stage.svms import norm_scale

ALPHA = 1000


def train(
    files: Sequence[pathlib.Path], num_classes: int, path: pathlib.Path, delta_stds: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Trains the regressors of all classes, or reads them if they are trained.

    Args:
        files: paths of `trainers.tasks.multi_stage.svm_stages.write_features`.
        num_classes: K.
        path: the file of the regressors.
        delta_stds: standard deviations by which a detector multiplies its deltas, (4,).

    Returns:
        The weights of a dense layer from pooled features to the deltas of all classes, (E, 4 * K) and (4 * K,) float32.
        They are zeros for classes without regions near their objects.

    Raises:
        ArgumentError: if a file is damaged.
    """
    if not path.exists():
        pooled, deltas, classes = _examples(files)
        scale = norm_scale(np.linalg.norm(pooled, axis=1)) if len(pooled) else 1.0
        kernel, bias = np.zeros((num_classes, 4, pooled.shape[1])), np.zeros((num_classes, 4))
        for label in np.unique(classes):
            chosen = classes == label
            ridge = Ridge(ALPHA).fit(scale * pooled[chosen], deltas[chosen] / delta_stds)
            kernel[label], bias[label] = scale * ridge.coef_, ridge.intercept_
        columns = kernel.reshape(4 * num_classes, -1).T
        write_arrays(path, kernel=columns.astype(np.float32), bias=bias.reshape(-1).astype(np.float32))
    arrays = read_arrays(path)
    return arrays["kernel"], arrays["bias"]


def _examples(files):
    """Returns the pooled features (n, E) of all images' chosen regions, their deltas (n, 4), and their classes (n,)."""
    pooled, deltas, classes = [], [], []
    for file in files:
        arrays = read_arrays(file, "objects", "pooled", "regions", "true_boxes", "true_classes")
        regions, objects = arrays["objects"].T
        pooled.append(arrays["pooled"])
        deltas.append(boxes.encode(arrays["true_boxes"][objects], arrays["regions"][regions]).numpy())
        classes.append(arrays["true_classes"][objects])
    return np.concatenate(pooled), np.concatenate(deltas), np.concatenate(classes)
