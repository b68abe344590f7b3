"""One linear SVM for each class, with hard negatives (R-CNN, arXiv 1311.2524, section 2.3).

The positive examples of a class are its objects. The negative examples are regions whose IoU with all objects of the
class is 0.3 at most, which are too many to learn from. After a first SVM, one pass over the images keeps the negatives
with a margin above -1, and forgets those that later SVMs give less than -1.2. The numbers are those of the authors'
code.
"""

import pathlib
from collections.abc import Sequence

import numpy as np
from sklearn.svm import LinearSVC

from keras_resnets.errors import ArgumentError
from keras_resnets.ops import boxes
from trainers.runtime.atomic_files import read_arrays, write_arrays
from trainers.runtime.progress import Progress

C = 1e-3
POSITIVE_WEIGHT = 2
BIAS_MULTIPLIER = 10
HARD_MARGIN, EASY_MARGIN = -1.0001, -1.2
NEW_NEGATIVES = 2000  # after these, an SVM is trained again
MEAN_NORM = 20  # of the features that SVMs and box regressors see
NORM_FILES = 200  # the mean norm of their features stands for all
IMAGES_BETWEEN_SAVES = 50
NEVER = -10.0  # the margin of a class without objects
MOST_ITERATIONS = 20_000


def train(
    files: Sequence[pathlib.Path],
    num_classes: int,
    path: pathlib.Path,
    negative_iou: float,
    apart_iou: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Trains the SVMs, or goes on with it.

    Args:
        files: paths of `trainers.tasks.multi_stage.svm_stages.write_features`.
        num_classes: K.
        path: the file of the SVMs. The state of the mining is kept beside it.
        negative_iou: largest IoU of a negative region with an object of the class.
        apart_iou: IoU of two negatives of an image beyond which one is left out; None to keep all.

    Returns:
        The weights of a dense layer: (F, K) and (K,) float32.

    Raises:
        ArgumentError: if there is no negative region, or a file is damaged.
    """
    if not path.exists():
        state = path.with_name("svm_mining.npz")
        scale = norm_scale(_norms(files[:NORM_FILES]))
        miners = [_Miner(positives) for positives in _positives(files, num_classes, scale)]
        _mine(files, miners, scale, state, negative_iou, apart_iou)
        weights = np.stack([miner.weights for miner in miners], axis=1) * scale
        write_arrays(path, kernel=weights.astype(np.float32), bias=np.float32([miner.bias for miner in miners]))
        state.unlink(missing_ok=True)
    arrays = read_arrays(path)
    return arrays["kernel"], arrays["bias"]


def norm_scale(norms: np.ndarray) -> float:
    """Returns the factor by which features with these norms, (N,), get a mean norm of `MEAN_NORM`."""
    return MEAN_NORM / max(float(norms.mean()), 1e-6)


def _norms(files):
    return np.concatenate([np.linalg.norm(read_arrays(file, "features")["features"], axis=1) for file in files])


def _positives(files, num_classes, scale):
    """Returns the features of each class's objects: a list of (n, F), scaled."""
    features, classes = [], []
    for file in files:
        arrays = read_arrays(file, "features", "true_classes", "trained_on")
        chosen = np.flatnonzero(arrays["trained_on"])  # An image's objects are its first regions.
        features.append(scale * arrays["features"][chosen])
        classes.append(arrays["true_classes"][chosen])
    features, classes = np.concatenate(features), np.concatenate(classes)
    return [features[classes == label] for label in range(num_classes)]


def _mine(files, miners, scale, state, negative_iou, apart_iou):
    """Gives the negatives of all images to the miners, from where an interrupted pass was saved."""
    first = _restore(miners, state) if state.exists() else 0
    with Progress(len(files), "hard negatives", "images", done=first) as progress:
        for number, file in enumerate(files[first:], first + 1):
            arrays = read_arrays(file, "features", "regions", "true_boxes", "true_classes")
            regions = arrays["regions"]
            ious = boxes.iou(regions, arrays["true_boxes"]).numpy()
            overlaps = None if apart_iou is None else boxes.iou(regions, regions).numpy() > apart_iou
            for label, miner in enumerate(miners):
                of_class = ious[:, arrays["true_classes"] == label]
                negative = np.flatnonzero(of_class.max(axis=1, initial=0) < negative_iou)
                if overlaps is not None:
                    negative = negative[apart(overlaps[np.ix_(negative, negative)])]
                miner.add(scale * arrays["features"][negative])
            if number % IMAGES_BETWEEN_SAVES == 0:
                _save(miners, state, number)
            progress.update(1)
    for miner in miners:
        miner.fit()


def apart(overlaps: np.ndarray) -> np.ndarray:
    """Chooses regions in their order, each unless it overlaps one that is chosen already.

    Args:
        overlaps: (n, n) bool, whether two regions overlap.

    Returns:
        The indices of the chosen regions, (m,) integers.
    """
    left, kept = np.ones(len(overlaps), bool), []
    for index in range(len(overlaps)):
        if left[index]:
            kept.append(index)
            left &= ~overlaps[index]
    return np.array(kept, int)


class _Miner:
    """The SVM of one class, and the negatives that it learns from.

    Args:
        positives: (n, F) float32.

    Attributes:
        weights: of the margin, (F,) float64; None before there are enough negatives.
        bias: of the margin, a float.
        negatives: (m, F) float32.
        new: how many negatives came after the last training.
    """

    def __init__(self, positives):
        self._positives = positives
        self.weights, self.bias = None, NEVER
        self.negatives, self.new = np.zeros((0, positives.shape[1]), np.float32), 0

    def add(self, candidates):
        """Keeps the hard negatives of an image's (n, F), or all before the first training."""
        if not len(self._positives):
            return
        if self.weights is not None:
            candidates = candidates[self._margins(candidates) > HARD_MARGIN]
        if not len(candidates):
            return
        self.negatives = np.concatenate([self.negatives, candidates])
        self.new += len(candidates)
        if self.new >= NEW_NEGATIVES:
            self.fit()

    def fit(self):
        """Trains the SVM, and forgets the negatives that it finds easy."""
        if not len(self._positives):
            self.weights = np.zeros(self._positives.shape[1])
            return
        if not len(self.negatives):
            raise ArgumentError("no proposal is a negative example for the SVMs: pass a larger --max_proposals.")
        svm = LinearSVC(
            loss="hinge",
            C=C,
            class_weight={1: POSITIVE_WEIGHT},
            intercept_scaling=BIAS_MULTIPLIER,
            random_state=0,
            max_iter=MOST_ITERATIONS,
        )
        is_positive = np.arange(len(self._positives) + len(self.negatives)) < len(self._positives)
        svm.fit(np.concatenate([self._positives, self.negatives]), is_positive.astype(int))
        self.weights, self.bias = svm.coef_[0], float(svm.intercept_[0])
        self.negatives, self.new = self.negatives[self._margins(self.negatives) >= EASY_MARGIN], 0

    def _margins(self, features):
        return features @ self.weights + self.bias


def _save(miners, path, images):
    arrays = {"images": np.array(images)}
    for label, miner in enumerate(miners):
        figures = [] if miner.weights is None else [*miner.weights, miner.bias]
        arrays |= {f"negatives{label}": miner.negatives, f"svm{label}": np.float64(figures), f"new{label}": miner.new}
    write_arrays(path, **arrays)


def _restore(miners, path):
    """Gives the miners what was saved; returns the number of images that they have seen."""
    arrays = read_arrays(path)
    for label, miner in enumerate(miners):
        miner.negatives, miner.new = arrays[f"negatives{label}"], int(arrays[f"new{label}"])
        if arrays[f"svm{label}"].size:
            *weights, miner.bias = arrays[f"svm{label}"].tolist()
            miner.weights = np.array(weights)
    return int(arrays["images"])
