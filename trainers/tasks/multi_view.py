"""Evaluation of classification nets on several views of an image, alone and in ensembles.

Shapes: N images, V views of an image.
"""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from keras_resnets.models.auxiliary_head import without_auxiliary_head
from keras_resnets.surgery.fully_convolutional import any_size, fully_convolutional
from trainers.data.classification_dataset import ImageDataset
from trainers.data.tf_data_options import AHEAD, CORES, untuned
from trainers.engine.task import Task
from trainers.metrics.classification import errors
from trainers.runtime.failures import explained, naming
from trainers.runtime.progress import Progress
from trainers.tasks.nets import check_sides
from trainers.tasks.protocols import PROTOCOLS


class MultiViewNet:
    """A trained net that predicts an image from several views.

    Args:
        path: the run's folder.
        task: a `trainers.tasks.classification.Classification`.
        model: its net of logits, with the weights to evaluate.
        step: the checkpoint's step.
        protocol: a name of `PROTOCOLS`.
        crop_size: side of the net's square input in pixels; None for that of its training. The sides of a dense
            protocol with several scales are in proportion to it.
        short_side: short side of resized images in pixels; None for that of its training.

    Raises:
        ArgumentError: for sides that cannot work or have no effect, or a net that the protocol cannot evaluate.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        task: Task,
        model: keras.Model,
        step: int,
        protocol: str,
        crop_size: int | None = None,
        short_side: int | None = None,
    ):
        self.task, self.protocol = task, PROTOCOLS[protocol]
        self.description = {"member": f"{path}:{protocol}", "model": task.name, "step": step}
        self.description["views"] = self.protocol.views_of_an_image
        self._size = task.preprocessing.size if crop_size is None else crop_size
        self._check_flags(protocol, crop_size, short_side)
        self._short_sides = self.protocol.scales(
            self._size, task.preprocessing.short_side if short_side is None else short_side
        )
        self._net = self._adapted(without_auxiliary_head(model), protocol)
        # One graph for views of all sizes.
        views = tf.TensorSpec((None, None, None, 3), tf.float32)
        self._probabilities = tf.function(self._probabilities_of_views, input_signature=[views])

    def _check_flags(self, protocol, crop_size, short_side):
        """Raises ArgumentError for sides that cannot work or have no effect."""
        size, trained = self._size, self.task.preprocessing.short_side
        if short_side is not None and self.protocol.short_sides:
            raise ArgumentError(f"--short_side={short_side} has no effect on {protocol}: leave it out.")
        if crop_size is not None and self.protocol.dense and not self.protocol.short_sides:
            raise ArgumentError(f"--crop_size={crop_size} has no effect on {protocol}: leave it out.")
        for name, side in (("crop_size", crop_size), ("short_side", short_side)):
            if side is not None and side < 1:
                raise ArgumentError(f"--{name}={side} must be positive.")
        if short_side is not None and self.protocol.with_room and short_side <= size:
            raise ArgumentError(
                f"--short_side={short_side} leaves no room around {size} pixels for {protocol}: pass a larger one, or "
                "leave it out."
            )
        if self.protocol.dense or self.protocol.short_sides:
            return
        if short_side is not None and short_side < size:
            raise ArgumentError(
                f"--short_side={short_side} is less than the {size} pixels that the net sees: pass a larger one."
            )
        if short_side is None and trained < size:
            raise ArgumentError(
                f"--crop_size={crop_size} is more than the short side of resized images, {trained}: pass --short_side, "
                f"too, of {crop_size} at least."
            )

    def _adapted(self, model, protocol):
        """Returns the net for the sides of the views."""
        if self.protocol.dense:
            with naming(f"--protocol={protocol}"):
                net = fully_convolutional(model)
        elif self._size == self.task.preprocessing.size:
            return model
        else:
            with naming("--crop_size"):
                net = any_size(model)
        flag = "--crop_size" if self._size != self.task.preprocessing.size else f"--protocol={protocol}"
        check_sides(flag, net, *self._sides())
        return net

    def _sides(self):
        """Returns the short sides of the views at each scale, in pixels."""
        return self._short_sides if self.protocol.dense else [self._size] * len(self._short_sides)

    def predict(self, dataset: ImageDataset, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
        """Predicts every test image from all of its views.

        Args:
            dataset: an `ImageDataset` with the net's labels.
            progress: a `Progress` that counts views.

        Returns:
            labels (N,) int32, in the data set's order, and the means of the probabilities over the views, (N, classes)
            float64, in which different logits stay different.
        """
        labels = np.zeros(dataset.test.size, np.int32)
        sums = np.zeros((dataset.test.size, len(self.task.config["labels"])))

        with explained(several_machines=False):
            for views, positions, of_views in self._batches(dataset):
                np.add.at(sums, positions.numpy(), self._probabilities(views).numpy())
                labels[positions.numpy()] = of_views.numpy()
                progress.update(len(positions))
        return labels, sums / self.protocol.views_of_an_image

    def _probabilities_of_views(self, views):
        logits = tf.cast(self._net(self.task.preprocessing.normalize(views), training=False), tf.float32)
        if self.protocol.dense:
            # VGG averages the map of scores, and then the probabilities of the image and its mirror image.
            logits = tf.reduce_mean(logits, axis=(1, 2))
        return tf.nn.softmax(tf.cast(logits, tf.float64))

    def _batches(self, dataset):
        """Returns batches of views, the positions of their images in the split, and their labels.

        A batch has views of several images, or some of the views of one. Where images have views of different sizes,
        a batch has the views of one image.
        """
        split, protocol = dataset.test, self.protocol

        def at_scale(short_side, batch_size):
            def example(position, key):
                loaded = split.load(key)
                views = protocol.views(loaded["image"].pixels(), self._size, short_side)
                return views, tf.fill([protocol.count], position), tf.fill([protocol.count], loaded["label"])

            batches = split.keys(None).enumerate().map(example, num_parallel_calls=CORES)
            one_size = not protocol.dense or dataset.side is not None
            return batches.rebatch(batch_size) if one_size else batches

        # As many pixels as a batch of training's evaluations.
        areas = [(side / self.task.preprocessing.size) ** 2 for side in self._sides()]
        batch_sizes = [max(1, int(self.task.evaluation_batch_size() / area)) for area in areas]
        # Scales are data, so that one graph serves all: tracing a graph takes as long as hundreds of views.
        scales = tf.data.Dataset.from_tensor_slices((self._short_sides, np.int64(batch_sizes)))
        return untuned(scales).flat_map(at_scale).prefetch(AHEAD)


def evaluate_ensemble(
    members: Sequence[MultiViewNet], dataset: ImageDataset, search: bool = False
) -> tuple[dict, dict]:
    """Evaluates nets together: their probabilities are averaged (GoogLeNet, arXiv 1409.4842, section 7).

    Args:
        members: a list of `MultiViewNet`.
        dataset: an `ImageDataset` with their labels.
        search: whether to take only the members that `greedy_search` finds, on the same images.

    Returns:
        The predictions and the figures of `errors`. The figures also have `images_per_second`, `members`, a list of
        dicts with the figures of each member alone, and, with `search`, `search`, a list of dicts of the `member` that
        was added and the `top1_error` of the ensemble with it.
    """
    start = time.monotonic()
    total = dataset.test.size * sum(member.protocol.views_of_an_image for member in members)
    with Progress(total, "evaluation", "views") as progress:
        answers = [member.predict(dataset, progress) for member in members]
    seconds = time.monotonic() - start
    labels, probabilities = answers[0][0], [one for _, one in answers]
    found = greedy_search(labels, probabilities) if search else []
    chosen = [probabilities[i] for i, _ in found] or probabilities
    predictions, figures = errors(labels, sum(chosen) / len(chosen))
    figures["images_per_second"] = dataset.test.size / seconds
    figures["members"] = [
        {**member.description, **errors(labels, one)[1]} for member, one in zip(members, probabilities)
    ]
    if search:
        figures["search"] = [{"member": members[i].description["member"], "top1_error": error} for i, error in found]
    return predictions, figures


def greedy_search(labels: np.ndarray, probabilities: Sequence[np.ndarray]) -> list[tuple[int, float]]:
    """Adds members to an ensemble, each time the one that lowers the top-1 error most, while one does.

    Args:
        labels: (N,) int32.
        probabilities: a list of (N, classes), one for each member.

    Returns:
        A list of (member's number, top-1 error of the ensemble with it), in the order in which they were added. Among
        equally good members, the first is added.
    """
    chosen, total, left = [], 0.0, dict(enumerate(probabilities))
    while left:
        wrong = {i: float(np.mean(np.argmax(total + one, axis=1) != labels)) for i, one in left.items()}
        best = min(wrong, key=wrong.get)
        if chosen and wrong[best] >= chosen[-1][1]:
            break
        chosen.append((best, wrong[best]))
        total = total + left.pop(best)
    return chosen


def table(results: Mapping[str, Any]) -> list[str]:
    """Returns the figures of `evaluate_ensemble` as lines of text: the errors of all members, with intervals."""
    members = results["members"]
    rows = [(member["member"], member["views"], member) for member in members]
    if len(members) > 1:
        views_of = {member["member"]: member["views"] for member in members}
        found = [one["member"] for one in results.get("search", members)]
        views = sum(views_of[one] for one in found)
        rows.append((f"ensemble of {len(found)}", views, results))
    width = max(len(name) for name, _, _ in rows)
    shown = [k for k in (1, 5) if f"top{k}_error" in results]
    headings = "".join(f"  {f'top-{k} error, % (95 %)':>21}" for k in shown)
    lines = [f"{'':{width}}  views{headings}"]
    for name, views, figures in rows:
        cells = [_cell(figures[f"top{k}_error"], *figures[f"top{k}_interval"]) for k in shown]
        lines.append(f"{name:{width}}  {views:5}" + "".join(f"  {cell:>21}" for cell in cells))
    for one in results.get("search", []):
        lines.append(f"search: with {one['member']}, top-1 error {one['top1_error']:.2%}")
    return lines


def _cell(error, low, high):
    return f"{100 * error:.2f} ({100 * low:.2f}-{100 * high:.2f})"
