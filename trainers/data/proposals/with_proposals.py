"""Data sets whose images have region proposals, for detectors that do not find regions themselves."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from trainers.data.proposals.cache import ProposalCache, split_proposals


def propose_by(dataset, folder, method, limit):
    """Returns a data set with the proposals of a method, which are found, or read, when a split is used first.

    Args:
        dataset: a `DetectionDataset`.
        folder: of the `ProposalCache` that keeps them.
        method: one of `trainers.data.proposals.methods.METHODS`.
        limit: the largest number of boxes of an image.

    Returns:
        A `DetectionDataset`: see `with_proposals`.

    Raises:
        ArgumentError: see `ProposalCache`, and, when a split is used, the methods.
    """
    cache = ProposalCache(folder, method, limit)

    def found(split, name):
        return with_proposals(split, lambda: split_proposals(cache, split, f"{method}, {name}")[0])

    return dataclasses.replace(dataset, train=found(dataset.train, "train"), test=found(dataset.test, "test"))


def with_proposals(split, find):
    """Returns a split whose examples have `proposals`, (R, 4) float32 in pixels of the image, padded with zeros.

    R is the most that an image of the split has. Machines do not read the split in parts: each knows all proposals.

    Args:
        split: a `Split` of a `DetectionDataset`.
        find: function without arguments that returns a list of (n, 4) float32, one for each example, in the order of
            their `index`; it is called when an example is loaded first.
    """

    @functools.cache
    def table():
        with tf.init_scope():  # Not in the graph that loads an example: it may be large.
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
