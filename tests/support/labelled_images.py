"""Examples and batches of images with labels, as tests load them."""

import tensorflow as tf


def examples(split, seed=None):
    """Returns a split's examples, a list of dicts of `image`, its pixels, and `label`."""
    loaded = [split.load(key) for key in split.keys(seed)]
    return [{"image": example["image"].pixels(), "label": example["label"]} for example in loaded]


def as_is(example, seed=None):
    """A transform that returns the label and the seed."""
    return {"label": example["label"], "seed": tf.zeros(2, tf.int64) if seed is None else seed}


def labels_and_seeds(batches):
    """Returns the labels and the seeds of batches made with `as_is`, as lists."""
    batches = list(batches)
    return [batch["label"].numpy().tolist() for batch in batches], [batch["seed"].numpy().tolist() for batch in batches]


def context(machines, machine, replicas_each=1):
    """Returns the `tf.distribute.InputContext` of one of several machines."""
    return tf.distribute.InputContext(machines, machine, machines * replicas_each)
