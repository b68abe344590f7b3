"""Parallelism of `tf.data` pipelines: fixed by the number of cores, without TensorFlow's autotuning."""

import os

import tensorflow as tf

CORES = len(os.sched_getaffinity(0))  # examples that are loaded in parallel
AHEAD = 2  # batches that are prefetched


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns a data set without autotuning, also of the data sets that are made of it.

    The autotuner inspects a pipeline after 10, 20, 40, ... ms, at last once a minute, and the deletion of an iterator
    sometimes waits for its next inspection (TensorFlow 2.21): an evaluation may take twice as long.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
