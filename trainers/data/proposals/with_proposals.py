"""Data sets with region proposals, for detectors without a region proposal network."""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from trainers.data.detection_dataset import DetectionDataset
from trainers.data.proposals.cache import ProposalCache, split_proposals
from trainers.data.split import Split


def propose_by(dataset: DetectionDataset, folder: str | os.PathLike, method: str, limit: int) -> DetectionDataset:
    """Returns a data set with the proposals of a method, as by `with_proposals`.

    The proposals of a split are read from the cache, or computed, when its first example is loaded.

    Args:
        dataset: with boxes.
        folder: of the `ProposalCache`.
        method: one of `trainers.data.proposals.methods.METHODS`.
        limit: the largest number of boxes per image.

    Raises:
        ArgumentError: see `ProposalCache`; when the first example is loaded, see the methods.
    """
    cache = ProposalCache(folder, method, limit)

    def found(split, name):
        return with_proposals(split, lambda: split_proposals(cache, split, f"{method}, {name}")[0])

    return dataclasses.replace(dataset, train=found(dataset.train, "train"), test=found(dataset.test, "test"))


def with_proposals(split: Split, find: Callable[[], Sequence[np.ndarray]]) -> Split:
    """Returns a split whose examples have `proposals`, (R, 4) float32 in pixels of the image, padded with zeros.

    R is the largest number of proposals of an image. Machines do not read the split in parts: each has all proposals.

    Args:
        split: of a `DetectionDataset`.
        find: returns (n, 4) float32 boxes for each example, in the order of `index`. It is called once, when the first
            example is loaded.
    """

    @functools.cache
    def table():
        with tf.init_scope():  # outside of the graph that loads an example: the table may be large
            boxes = find()
            counts = np.array([len(rows) for rows in boxes], np.int64)
            rows = tf.constant(np.concatenate([*boxes, np.zeros((1, 4))]).astype(np.float32))
            return rows, tf.constant(np.cumsum(counts) - counts), tf.constant(counts), max(1, int(counts.max()))

    def load(key):
        rows, starts, counts, most = table()
        start, count = (tf.gather(numbers, key["index"]) for numbers in (starts, counts))
        missing = most - tf.cast(count, tf.int32)
        proposals = tf.pad(rows[start : start + count], [[0, missing], [0, 0]])
        return {**split.load(key), "proposals": tf.ensure_shape(proposals, [most, 4])}

    return dataclasses.replace(split, load=load, part=None)
