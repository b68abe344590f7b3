"""How much of a pipeline of `tf.data` is done at once: as much as there are cores, without TensorFlow's tuner."""

import os

import tensorflow as tf

CORES = len(os.sched_getaffinity(0))  # examples that are made at once
AHEAD = 2  # batches that are made before they are asked for


def untuned(dataset):
    """Returns a data set, and all that is made of it, whose operations do as much at once as they are told.

    The tuner looks at a pipeline after 10, 20, 40, ... ms, in the end each minute, and what deletes an iterator
    sometimes waits until it does (TensorFlow 2.21): an evaluation can then take twice as long.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
